import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.scoring import Calibration, score, similarity
from service.engine.clip_embedding import ClipEmbedding
from tests.unit.engine.caching.embeddings import make_embedding


def _unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(0, 2**32), st.sampled_from([15.0, 25.0]), st.sampled_from([1, 3, 5]))
def test_half_precision_moves_no_score_by_more_than_a_hundredth(seed: int, scale: float, peakedness: int) -> None:
    rng = np.random.default_rng(seed)
    frames = _unit(rng.normal(size=(100, 256)) ** peakedness)
    queries = _unit(np.concatenate([rng.normal(size=(10, 256)), frames[:10] + 0.02 * rng.normal(size=(10, 256))]))
    exact, stored = (similarity(embeddings, queries) for embeddings in (frames, frames.astype(np.float16)))
    steepest = -scale * exact[:, 0].mean()
    for bias in (-scale / 2, steepest):
        calibration = Calibration(scale, bias)
        assert np.abs(score(exact, calibration) - score(stored, calibration)).max() < 0.01


def test_stored_frames_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make_embedding("dog").stored[0, 0] = 1


@pytest.mark.parametrize("frames", [np.zeros((2, 8), np.float32), np.zeros(8, np.float16)])
def test_frames_of_another_shape_or_type_are_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="stored frames are float16"):
        ClipEmbedding(frames, 1.0)


@pytest.mark.parametrize("dimension", [1, 64, 256, 2048])
@pytest.mark.parametrize("peakedness", [1, 5])
def test_unit_norm_frames_are_sound_in_half_precision(dimension: int, peakedness: int) -> None:
    frames = np.random.default_rng(dimension).normal(size=(10_000, dimension)) ** peakedness
    frames /= np.linalg.norm(frames, axis=1, keepdims=True)
    for norm in (0.99, 1, 1.01):  # as far as an audio encoder may deviate
        assert ClipEmbedding((norm * frames).astype(np.float16), 1.0).is_sound()
    assert not ClipEmbedding((1.05 * frames).astype(np.float16), 1.0).is_sound()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 65_504])
@pytest.mark.parametrize("frame", [0, 4095, 4096, 9999])
def test_one_bad_frame_makes_an_embedding_unsound(frame: int, value: float) -> None:
    frames = np.zeros((10_000, 2), np.float16)
    frames[:, 0] = 1
    frames[frame, 0] = value
    assert not ClipEmbedding(frames, 1.0).is_sound()
