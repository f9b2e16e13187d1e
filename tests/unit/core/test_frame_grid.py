import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.frame_grid import FrameGrid

GRID = FrameGrid(sample_rate_hz=16_000, hop_samples=640)


def test_a_partly_filled_frame_is_a_frame() -> None:
    assert [GRID.n_frames(n) for n in (0, 1, 640, 641)] == [0, 1, 1, 2]


def test_the_last_edge_is_the_end_of_the_clip() -> None:
    np.testing.assert_allclose(GRID.edges(3, 0.1), [0, 0.04, 0.08, 0.1])


@pytest.mark.parametrize("duration_s", [0.08, 0.13])
def test_edges_of_a_clip_that_ends_in_another_frame_are_refused(duration_s: float) -> None:
    with pytest.raises(ValueError, match="3 frames"):
        GRID.edges(3, duration_s)


@pytest.mark.parametrize(("seconds", "width"), [(0, 1), (0.04, 1), (0.12, 3), (0.48, 13), (0.5, 13), (0.56, 15)])
def test_filter_widths_are_the_nearest_odd_number_of_frames(seconds: float, width: int) -> None:
    assert GRID.odd_frames_for(seconds) == width


@pytest.mark.parametrize(
    ("onset_s", "offset_s", "frames"),
    [(0.0, 0.04, (0, 1)), (0.03, 0.05, (0, 2)), (0.12, 0.6, (3, 15)), (0.28, 0.3, (7, 8)), (0.08, 0.0800001, (2, 3))],
)
def test_a_stretch_touches_the_frames_from_floor_to_ceil_but_for_rounding(
    onset_s: float, offset_s: float, frames: tuple[int, int]
) -> None:
    assert GRID.frames_touched(onset_s, offset_s) == frames


@given(st.integers(0, 10**5), st.integers(1, 10**5), st.integers(8_000, 48_000), st.integers(1, 2_000))
def test_whole_frames_touch_themselves_alone(first: int, length: int, rate_hz: int, hop_samples: int) -> None:
    grid = FrameGrid(rate_hz, hop_samples)
    onset_s, offset_s = (grid.duration_s(grid.n_samples(frames)) for frames in (first, first + length))
    assert grid.frames_touched(onset_s, offset_s) == (first, first + length)


@given(st.integers(1, 10**6), st.integers(1, 48_000), st.integers(1, 2_000))
def test_edges_fit_the_clip_for_any_rate_and_hop(n_samples: int, rate_hz: int, hop_samples: int) -> None:
    grid = FrameGrid(rate_hz, hop_samples)
    n_frames = min(grid.n_frames(n_samples), 5_000)
    n_samples = min(n_samples, grid.n_samples(n_frames))
    edges = grid.edges(n_frames, grid.duration_s(n_samples))
    assert len(edges) == n_frames + 1
    assert np.all(np.diff(edges) > 0)
    assert edges[-1] == n_samples / rate_hz
