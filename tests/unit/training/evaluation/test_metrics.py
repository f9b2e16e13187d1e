import numpy as np
import pytest

from service.core.frame_grid import FrameGrid
from training.evaluation.localizers import postprocessing_at
from training.evaluation.metrics import Figures, compute_figures, expected_calibration_error, reliability
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, events_by_label

GRID = FrameGrid(16_000, 640)
LABELS = ("cat", "dog")
EVENTS = ((("dog", 1.0, 2.0), ("cat", 4.0, 6.0)), (("dog", 0.0, 4.0),))
SETTINGS = postprocessing_at(0.5, median_filter_s=0.0, extent_ratio=1.0)
ONCE = np.ones((2, 1))


def truth_curves() -> np.ndarray:
    """Scores of a perfect model: (clips, labels, T)."""
    curves = np.zeros((2, 2, 250))
    curves[0, 1, 25:50] = curves[0, 0, 100:150] = curves[1, 1, :100] = 1.0
    return curves


def scored_queries(curves: np.ndarray) -> ScoredQueries:
    edges_s = GRID.edges(250, 10.0)
    queries = [
        ScoredQuery(clip, label, curves[clip, label], edges_s, events_by_label(LABELS, events, 10.0))
        for clip, events in enumerate(EVENTS)
        for label in range(2)
    ]
    return ScoredQueries(LABELS, tuple(queries), 2)


def figures_of(curves: np.ndarray) -> Figures:
    return compute_figures(scored_queries(curves), GRID, ONCE, [SETTINGS, SETTINGS])


def test_a_perfect_model_scores_one() -> None:
    figures = figures_of(truth_curves()).overall
    for name in ("psds1", "psds1_macro", "psds2", "psds2_macro", "partial_auroc", "event_f1_macro", "event_f1_micro"):
        assert figures[name] == pytest.approx(1.0), name
    assert figures["expected_calibration_error"] == figures["false_presence"] == 0.0


def test_a_label_that_is_never_detected_halves_the_macro_figures() -> None:
    curves = truth_curves()
    curves[:, 0] = 0.0
    figures = figures_of(curves)
    assert figures.overall["psds1_macro"] == pytest.approx(0.5)
    assert figures.by_label["psds1"][:, 0] == pytest.approx([0.0, 1.0])
    assert figures.overall["psds1"] == pytest.approx(0.0)  # mean 0.5 minus standard deviation 0.5
    assert figures.overall["event_f1_macro"] == pytest.approx(0.5)
    assert figures.overall["event_f1_micro"] == pytest.approx(2 * 2 / (2 + 0 + 3))


def test_detections_that_cover_too_little_of_an_event_are_not_true_positives() -> None:
    curves = truth_curves()
    curves[0, 0] = 0.0
    curves[0, 0, 100:130] = 1.0  # 1.2 s of the cat's 2 s: less than 70 %
    assert figures_of(curves).by_label["psds1"][0] == 0.0
    curves[0, 0, 100:140] = 1.0  # 1.6 s
    assert figures_of(curves).by_label["psds1"][0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("begin", "end", "correct"),
    [(105, 150, True), (106, 150, False), (100, 160, True), (100, 161, False), (100, 140, True)],
)
def test_onsets_and_offsets_are_correct_within_their_collars(begin: int, end: int, correct: bool) -> None:
    curves = truth_curves()
    curves[0, 0] = 0.0
    curves[0, 0, begin:end] = 1.0  # the cat: 2 s from 4 s on; collars of 0.2 s at the onset, 0.4 s at the offset
    assert figures_of(curves).by_label["event_f1"][0] == (1.0 if correct else 0.0)


def test_an_absent_sound_with_a_detection_is_falsely_present() -> None:
    curves = truth_curves()
    curves[1, 0, 10:20] = 0.6
    assert figures_of(curves).overall["false_presence"] == 1.0  # there is a single query without an event
    curves[1, 0, 10:20] = 0.5
    assert figures_of(curves).overall["false_presence"] == 0.0


def test_a_clip_that_is_drawn_twice_counts_twice() -> None:
    curves = truth_curves()
    curves[0, 1] = 0.0  # the dog is missed in the first clip and detected in the second
    weights = np.array([[1.0, 2.0, 0.0], [1.0, 0.0, 2.0]])
    figures = compute_figures(scored_queries(curves), GRID, weights, [SETTINGS, SETTINGS])
    assert figures.by_label["event_f1"][1] == pytest.approx([2 / 3, 0.0, 1.0])


def test_a_resample_without_events_has_no_figures() -> None:
    curves = truth_curves()
    queries = scored_queries(curves)
    silent = [ScoredQuery(2, label, curves[0, label], GRID.edges(250, 10.0), {}) for label in range(2)]
    weights = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 3.0]])
    figures = compute_figures(
        ScoredQueries(LABELS, (*queries.queries, *silent), 3), GRID, weights, [SETTINGS, SETTINGS]
    ).overall
    for name in ("psds1", "psds1_macro", "psds2", "partial_auroc", "event_f1_macro", "segment_error_rate", "th_auc"):
        assert np.isfinite(figures[name][0]), name
        assert np.isnan(figures[name][1]), name


def test_calibration_error_by_hand() -> None:
    score = np.array([0.9, 0.9, 0.1, 0.1], dtype=np.float32)
    truth = np.array([True, False, False, False])
    assert expected_calibration_error(score, truth) == pytest.approx((2 * 0.4 + 2 * 0.1) / 4, abs=1e-6)


def test_the_bins_of_reliability_count_the_frames_of_all_passes() -> None:
    curves = np.full((2, 2, 250), 0.02)
    curves[0, 1, 25:45] = 0.98  # 20 of the 25 frames of the first event, and no other frame
    first, second = reliability([scored_queries(curves), scored_queries(curves)])
    assert (first["frames"], second["frames"]) == (2 * 980, 2 * 20)
    assert (first["score"], second["score"]) == pytest.approx((0.02, 0.98))
    assert second["frequency"] == 1.0
    assert first["frequency"] == pytest.approx((25 + 50 + 100 - 20) / 980)
