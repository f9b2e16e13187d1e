import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.segments import find_segments
from training.evaluation.segment_levels import segment_levels
from training.synthesis.truth import runs

GRID = FrameGrid(100, 10)  # frames of 0.1 s


def settings_of(threshold_off: float, min_duration_s: float, merge_gap_s: float) -> Postprocessing:
    return Postprocessing(0.5, threshold_off, 0.0, 1.0, min_duration_s, merge_gap_s)


def test_close_runs_are_joined_and_short_runs_are_dropped() -> None:
    curve = np.array([0.9, 0.1, 0.8, 0.1, 0.1, 0.1, 0.7, 0.1, 0.1, 0.6, 0.6], np.float32)
    levels = segment_levels(curve, GRID, 1.1, settings_of(0.5, min_duration_s=0.2, merge_gap_s=0.1))
    # the runs at 0 and 2 are joined at 0.8; the run at 6 is too short, and what remains of it is the level around it
    expected = [0.8, 0.8, 0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.6, 0.6]
    np.testing.assert_array_equal(levels, np.array(expected, np.float32))


@settings(max_examples=200)
@given(
    scores=st.lists(st.integers(0, 20), min_size=1, max_size=40),
    last=st.integers(1, 10),
    ratio=st.sampled_from([1.0, 0.5, 0.0]),
    min_duration_s=st.sampled_from([0.0, 0.1, 0.15, 0.2, 0.35]),
    merge_gap_s=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_the_runs_above_any_threshold_are_the_segments_of_the_service(
    scores: list[int], last: int, ratio: float, min_duration_s: float, merge_gap_s: float
) -> None:
    curve = (np.array(scores) / 20).astype(np.float32)
    duration_s = GRID.duration_s(10 * (len(curve) - 1) + last)
    levels = segment_levels(curve, GRID, duration_s, settings_of(0.5 * ratio, min_duration_s, merge_gap_s))
    edges_s = GRID.edges(len(curve), duration_s)
    for threshold in (0.01, 0.22, 0.47, 0.52, 0.77, 0.99):
        at_threshold = settings_of(0.5 * ratio, min_duration_s, merge_gap_s).override(threshold=threshold)
        segments = find_segments(curve, curve, GRID, duration_s, at_threshold)
        expected = [(segment.onset_s, segment.offset_s) for segment in segments]
        assert [(edges_s[start], edges_s[end]) for start, end in runs(levels > threshold)] == expected
