from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.event_boxes import (
    Curve,
    box_curve,
    candidate_boxes,
    figures,
    main,
    merged,
    step_filter,
    with_boxes,
)
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, events_by_label

LABELS = ("cat",)
EDGES_S = np.arange(11.0)  # ten frames of 1 s
CURVES = st.lists(st.integers(0, 10), min_size=1, max_size=40).map(lambda values: np.array(values) / 10)


def scored_queries(curve: list[float]) -> ScoredQueries:
    events = events_by_label(LABELS, [("cat", 2.0, 6.0)], 10.0)
    return ScoredQueries(LABELS, (ScoredQuery(0, 0, np.array(curve), EDGES_S, events),), 1)


def test_a_step_is_the_mean_after_a_boundary_minus_the_mean_before_it() -> None:
    assert step_filter(np.array([0.0, 0.0, 1.0, 1.0, 0.0]), 2).tolist() == [0.0, 0.5, 1.0, 0.0, -1.0, -0.5]


def test_a_box_begins_at_the_steepest_rise_and_ends_at_the_steepest_fall() -> None:
    curve = np.array([0.0, 0.1, 0.8, 1.0, 0.9, 0.1, 0.0, 0.0])
    assert candidate_boxes(step_filter(curve, 2)) == [(2, 5)]
    assert box_curve(curve, 2, 0.3).tolist() == pytest.approx([0, 0, 0.9, 0.9, 0.9, 0, 0, 0])


def test_a_sound_that_is_cut_by_the_clip_reaches_its_end() -> None:
    assert candidate_boxes(step_filter(np.array([1.0, 1, 1, 0, 0, 0, 0]), 2)) == [(0, 3)]
    assert candidate_boxes(step_filter(np.array([0.0, 0, 0, 0, 1, 1, 1]), 2)) == [(4, 7)]


@pytest.mark.parametrize(("gap", "boxes"), [(0.5, [(0, 6)]), (0.2, [(0, 2), (4, 6)])])
def test_boxes_with_a_shallow_gap_are_merged(gap: float, boxes: list[tuple[int, int]]) -> None:
    scores = np.array([0.9, 0.9, gap, gap, 0.8, 0.8])
    assert merged(scores, [(0, 2), (4, 6)], 0.3) == boxes


def test_a_weak_box_is_not_merged_with_a_strong_box() -> None:
    assert merged(np.array([0.9, 0.9, 0.05, 0.1, 0.1]), [(0, 2), (3, 5)], 0.3) == [(0, 2), (3, 5)]


@given(CURVES, st.integers(1, 6))
def test_boxes_are_disjoint_in_order_and_inside_the_clip(curve: Curve, half_frames: int) -> None:
    boxes = merged(curve, candidate_boxes(step_filter(curve, half_frames)), 0.3)
    assert all(0 <= start < stop <= len(curve) for start, stop in boxes)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(boxes))


@given(CURVES, st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_a_box_score_is_at_most_the_peak_of_the_curve(curve: Curve, half_frames: int, ratio: float) -> None:
    assert box_curve(curve, half_frames, ratio).max() <= curve.max() + 1e-12


def test_the_curve_keeps_a_share_of_the_extended_score() -> None:
    raw, extended = scored_queries([0, 0, 0.9, 0.9, 0.9, 0.9, 0, 0, 0, 0]), scored_queries([0.4] * 10)
    (query,) = with_boxes(raw, extended, 2).queries
    assert query.curve.tolist() == [0.26, 0.26, 0.9, 0.9, 0.9, 0.9, 0.26, 0.26, 0.26, 0.26]


def test_a_perfect_box_has_perfect_figures() -> None:
    measured = figures(scored_queries([0, 0, 1, 1, 1, 1, 0, 0, 0, 0]), 0.5)
    right_edges = measured.pop("right_edges")
    assert right_edges == {"2 to 5 s": 1.0, "all": 1.0}
    assert measured == {
        "psds1_macro": 1.0,
        "partial_auroc": 1.0,
        "event_f1_macro": 1.0,
        "expected_calibration_error": 0.0,
    }


def test_a_missing_bundle_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="cannot be evaluated"):
        main(["--bundle", str(tmp_path / "none"), "--data", str(tmp_path)])
