import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.windows import Stitcher, WindowPlan

plans = st.integers(1, 40).flatmap(lambda window: st.builds(WindowPlan, st.just(window), st.integers(0, window // 2)))


def _unit_frames(n_frames: int, seed: int, dimension: int = 4) -> np.ndarray:
    frames = np.random.default_rng(seed).standard_normal((n_frames, dimension)).astype(np.float32)
    return frames / np.linalg.norm(frames, axis=1, keepdims=True)


def test_starts_step_by_window_minus_overlap_and_the_last_window_ends_with_the_clip() -> None:
    plan = WindowPlan(window_frames=10, overlap_frames=2)
    assert plan.starts(0) == []
    assert plan.starts(7) == [0]
    assert plan.starts(10) == [0]
    assert plan.starts(18) == [0, 8]
    assert plan.starts(27) == [0, 8, 16, 17]


def test_an_overlap_of_more_than_half_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="half a window"):
        WindowPlan(10, 6)


def test_the_overlap_is_faded_linearly_and_renormalized() -> None:
    plan = WindowPlan(window_frames=4, overlap_frames=1)
    east, north = np.float32([1, 0]), np.float32([0, 1])
    windows = np.stack([np.tile(east, (4, 1)), np.tile(north, (4, 1))])
    stitched = plan.stitch(windows, plan.starts(7), 7)
    half = np.sqrt(np.float32(0.5))
    np.testing.assert_allclose(stitched, [east] * 3 + [[half, half]] + [north] * 3, rtol=1e-6)


@given(plans, st.integers(1, 300), st.integers(0, 99))
def test_windows_of_one_sequence_stitch_back_to_it(plan: WindowPlan, n_frames: int, seed: int) -> None:
    frames = _unit_frames(max(n_frames, plan.window_frames), seed)
    starts = plan.starts(n_frames)
    windows = np.stack([frames[start : start + plan.window_frames] for start in starts])
    np.testing.assert_allclose(plan.stitch(windows, starts, n_frames), frames[:n_frames], atol=1e-5)


@given(plans, st.integers(1, 300), st.integers(0, 99))
def test_stitched_embeddings_have_unit_length_and_frames_outside_overlaps_are_untouched(
    plan: WindowPlan, n_frames: int, seed: int
) -> None:
    starts = plan.starts(n_frames)
    windows = np.stack([_unit_frames(plan.window_frames, seed + 100 * i) for i in range(len(starts))])
    stitched = plan.stitch(windows, starts, n_frames)
    assert stitched.shape == (n_frames, 4)
    np.testing.assert_allclose(np.linalg.norm(stitched, axis=1), 1, atol=1e-5)
    sole = min(n_frames, plan.window_frames - (plan.overlap_frames if len(starts) > 1 else 0))
    np.testing.assert_array_equal(stitched[:sole], windows[0][:sole])


def test_windows_that_leave_a_hole_are_refused() -> None:
    stitcher = Stitcher(WindowPlan(4, 1))
    stitcher.add(_unit_frames(4, 0), 0)
    with pytest.raises(ValueError, match="cannot follow"):
        stitcher.add(_unit_frames(4, 1), 5)


@given(st.integers(0, 500), st.integers(1, 60), st.integers(0, 30))
def test_the_number_of_windows_is_that_of_their_starts(n_frames: int, window_frames: int, overlap_frames: int) -> None:
    plan = WindowPlan(window_frames, min(overlap_frames, window_frames // 2))
    assert plan.n_windows(n_frames) == len(plan.starts(n_frames))
