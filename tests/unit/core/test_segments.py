import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.core.errors import ParameterInvalid
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.segments import Segment, find_segments

GRID = FrameGrid(sample_rate_hz=10, hop_samples=1)  # frames of 0.1 s

scores = arrays(np.float32, st.integers(1, 80), elements=st.floats(0, 1, width=32))
levels = st.floats(0, 1)
short_s = st.sampled_from([0, 0.1, 0.25, 0.3, 1.0])


def _settings(on: float, off: float, minimum_s: float = 0, gap_s: float = 0) -> Postprocessing:
    return Postprocessing(on, off, median_filter_s=0, extent_ratio=1, min_duration_s=minimum_s, merge_gap_s=gap_s)


def _segments(score: np.ndarray, on: float, off: float, minimum_s: float = 0, gap_s: float = 0) -> list[Segment]:
    return find_segments(score, score, GRID, len(score) / 10, _settings(on, off, minimum_s, gap_s))


def _mask(segments: list[Segment], n_frames: int) -> np.ndarray:
    centres = (np.arange(n_frames) + 0.5) / 10
    return np.array([any(s.onset_s <= c < s.offset_s for s in segments) for c in centres])


def test_hysteresis_extends_a_segment_both_ways_to_the_lower_threshold() -> None:
    score = np.float32([0.1, 0.4, 0.6, 0.9, 0.4, 0.3, 0.0, 0.4, 0.0])
    (segment,) = _segments(score, on=0.5, off=0.3)
    assert (segment.onset_s, segment.offset_s) == pytest.approx((0.1, 0.5))
    assert segment.score == pytest.approx(0.9)
    assert segment.peak_s == pytest.approx(0.35)


def test_a_score_at_the_threshold_is_not_above_it() -> None:
    assert _segments(np.float32([0.5, 0.5]), on=0.5, off=0.25) == []


def test_gaps_up_to_the_limit_are_merged_before_short_segments_are_dropped() -> None:
    score = np.float32([0, 1, 0, 0, 1, 0, 0, 0, 1, 0])
    merged = _segments(score, 0.5, 0.5, minimum_s=0.4, gap_s=0.2)
    assert [(s.onset_s, s.offset_s) for s in merged] == [pytest.approx((0.1, 0.5))]


def test_a_segment_can_reach_both_ends_and_the_last_partial_frame_ends_with_the_clip() -> None:
    ones = np.ones(3, np.float32)
    (segment,) = find_segments(ones, ones, FrameGrid(10, 2), 0.5, _settings(0.5, 0.4))
    assert (segment.onset_s, segment.offset_s) == (0, 0.5)


def test_no_frame_gives_no_segment_and_reversed_thresholds_are_refused() -> None:
    assert find_segments(np.zeros(0, np.float32), np.zeros(0, np.float32), GRID, 0, _settings(0.5, 0.4)) == []
    with pytest.raises(ParameterInvalid, match=r"threshold_off is 0.4; accepted: 0 to the threshold, 0.3"):
        _segments(np.float32([1]), on=0.3, off=0.4)


@given(scores, levels, levels, short_s, short_s)
def test_segments_are_sorted_disjoint_inside_the_clip_and_long_enough(
    score: np.ndarray, one: float, other: float, minimum_s: float, gap_s: float
) -> None:
    segments = _segments(score, max(one, other), min(one, other), minimum_s, gap_s)
    for segment in segments:
        assert 0 <= segment.onset_s < segment.peak_s < segment.offset_s <= len(score) / 10
        assert segment.offset_s - segment.onset_s >= minimum_s - 1e-6
        assert segment.score > max(one, other) or segment.score == pytest.approx(max(one, other))
    for earlier, later in itertools.pairwise(segments):
        assert later.onset_s - earlier.offset_s > gap_s - 1e-6


@given(scores, levels, levels, st.floats(0, 1), short_s, short_s)
def test_raising_the_threshold_never_adds_time(
    score: np.ndarray, one: float, other: float, ratio: float, minimum_s: float, gap_s: float
) -> None:
    low, high = sorted((one, other))
    at_low = _mask(_segments(score, low, low * ratio, minimum_s, gap_s), len(score))
    at_high = _mask(_segments(score, high, high * ratio, minimum_s, gap_s), len(score))
    at_high_same_off = _mask(_segments(score, high, low * ratio, minimum_s, gap_s), len(score))
    assert not np.any(at_high & ~at_low)
    assert not np.any(at_high_same_off & ~at_low)


@given(scores, levels, levels)
def test_the_vectorized_hysteresis_equals_a_frame_by_frame_one(score: np.ndarray, one: float, other: float) -> None:
    on, off = np.float32(max(one, other)), np.float32(min(one, other))
    expected = np.zeros(len(score), bool)
    for above, run in itertools.groupby(range(len(score)), key=lambda i: score[i] > off):
        frames = list(run)
        expected[frames] = above and score[frames].max() > on
    np.testing.assert_array_equal(_mask(_segments(score, float(on), float(off)), len(score)), expected)
