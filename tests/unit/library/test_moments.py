import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.core.frame_grid import FrameGrid
from service.library.moments import MAX_STATIC_S, MAX_STRETCH_S, find_moments, padded_dimension

GRID = FrameGrid(1000, 40)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


@given(st.integers(1, 700), st.floats(0, 3), st.integers(2, 40))
def test_stretches_cover_the_recording_and_their_vectors_are_the_means_of_their_frames(
    n_frames: int, noise: float, dimension: int
) -> None:
    generator = np.random.default_rng(n_frames)
    frames = _unit(generator.normal(size=(1, dimension)) + noise * generator.normal(size=(n_frames, dimension)))
    moments = find_moments(frames, GRID)
    assert moments.first_frames[0] == 0
    assert moments.end_frames[-1] == n_frames
    np.testing.assert_array_equal(moments.first_frames[1:], moments.end_frames[:-1])
    assert moments.vectors.shape == (len(moments.first_frames), padded_dimension(dimension))
    for first, end, vector in zip(moments.first_frames, moments.end_frames, moments.vectors, strict=True):
        mean = frames[first:end].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(vector[:dimension], mean, atol=1e-4)
        assert not vector[dimension:].any()


def test_changing_sound_has_a_vector_at_least_every_second() -> None:
    frames = _unit(np.random.default_rng(0).normal(size=(5_000, 64)))
    moments = find_moments(frames, GRID)
    assert ((moments.end_frames - moments.first_frames) * GRID.hop_s).max() <= MAX_STRETCH_S + 1e-9


def test_silence_has_few_vectors() -> None:
    frames = np.tile(_unit(np.random.default_rng(0).normal(size=(1, 64))), (5_000, 1))
    moments = find_moments(frames, GRID)
    assert len(moments.vectors) == 5_000 * GRID.hop_s / MAX_STATIC_S


def test_a_short_sound_has_a_vector_of_its_own() -> None:
    background, sound = _unit(np.random.default_rng(0).normal(size=(2, 64)))
    frames = np.tile(background, (250, 1))
    frames[120:125] = sound  # one cell of 0.2 s
    moments = find_moments(frames, GRID)
    best = int(np.argmax(moments.vectors[:, :64] @ sound.astype(np.float32)))
    assert (moments.first_frames[best], moments.end_frames[best]) == (120, 125)
    assert moments.vectors[best, :64] @ sound.astype(np.float32) > 0.99
