"""Figures of random score curves, compared with those that sed_scores_eval computes."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sed_scores_eval import collar_based, intersection_based, segment_based
from sed_scores_eval.base_modules.scores import create_score_dataframe

from service.core.frame_grid import FrameGrid
from training.evaluation.count_changes import count_changes
from training.evaluation.curves import psds
from training.evaluation.localizers import postprocessing_at
from training.evaluation.metrics import PSDS1, compute_figures, event_f1
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, bootstrap_weights, events_by_label

GRID = FrameGrid(16_000, 640)
LABELS = ("cat", "dog", "frog")
DURATION_S = 4.0
N_CLIPS = 12
SETTINGS = [postprocessing_at(0.5, 0.0, 1.0)] * len(LABELS)
TOLERANCE = 1e-6
"""A standard deviation of 0 is computed as 1e-8, since it is the root of a difference of squares."""
UNWEIGHTED = np.ones((N_CLIPS, 1))
PSDS2 = {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3, "alpha_ct": 0.5}


def draw(seed: int) -> tuple[ScoredQueries, dict[str, Any], dict[str, Any]]:
    """Noisy score curves with ties, and random events: as `ScoredQueries`, and as scores and truth for sed_scores_eval."""
    rng = np.random.default_rng(seed)
    edges_s = GRID.edges(100, DURATION_S)
    queries: list[ScoredQuery] = []
    scores: dict[str, Any] = {}
    truth: dict[str, Any] = {}
    for clip in range(N_CLIPS):
        curves = rng.random((len(LABELS), 100)).round(2) * 0.5 + 0.001
        events: list[tuple[str, float, float]] = []
        for label in range(len(LABELS)):
            if clip == label or rng.random() < 0.4:
                begin, end = np.sort(rng.choice(100, 2, replace=False))
                events.append((LABELS[label], float(edges_s[begin]), float(edges_s[end])))
                curves[label, begin:end] += rng.random()
            curves[label] = np.clip(np.convolve(curves[label], np.ones(9) / 9, "same"), 0.001, 0.999).round(3)
        true_events = events_by_label(LABELS, events, DURATION_S)
        queries += [ScoredQuery(clip, label, curves[label], edges_s, true_events) for label in range(len(LABELS))]
        scores[f"clip{clip}"] = create_score_dataframe(curves.T, edges_s, list(LABELS))
        truth[f"clip{clip}"] = [(onset_s, offset_s, label) for label, onset_s, offset_s in events]
    return ScoredQueries(LABELS, tuple(queries), N_CLIPS), scores, truth


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_areas_equal_those_of_sed_scores_eval(seed: int) -> None:
    queries, scores, truth = draw(seed)
    durations_s = dict.fromkeys(truth, DURATION_S)
    figures = compute_figures(queries, GRID, UNWEIGHTED, SETTINGS)
    psds1: Any = intersection_based.psds(
        scores, truth, durations_s, dtc_threshold=0.7, gtc_threshold=0.7, alpha_st=1.0, max_efpr=100.0
    )
    psds2: Any = intersection_based.psds(scores, truth, durations_s, alpha_st=1.0, max_efpr=100.0, **PSDS2)
    auroc: Any = segment_based.auroc(scores, truth, durations_s, segment_length=1.0, max_fpr=0.1)
    assert figures.overall["psds1"][0] == pytest.approx(psds1[0], abs=TOLERANCE)
    assert figures.by_label["psds1"][:, 0] == pytest.approx([psds1[1][label] for label in LABELS], abs=TOLERANCE)
    assert figures.overall["psds2"][0] == pytest.approx(psds2[0], abs=TOLERANCE)
    assert figures.by_label["psds2"][:, 0] == pytest.approx([psds2[1][label] for label in LABELS], abs=TOLERANCE)
    assert figures.overall["partial_auroc"][0] == pytest.approx(auroc[0]["mean"], abs=TOLERANCE)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), threshold=st.sampled_from([0.05, 0.2, 0.4, 0.7]))
def test_event_f1_equals_that_of_sed_scores_eval(seed: int, threshold: float) -> None:
    queries, scores, truth = draw(seed)
    f1 = event_f1(queries, UNWEIGHTED, np.full(len(LABELS), threshold))
    expected: Any = collar_based.fscore(
        scores, truth, threshold, onset_collar=0.2, offset_collar=0.2, offset_collar_rate=0.2
    )[0]
    assert f1.macro[0] == pytest.approx(expected["macro_average"], abs=TOLERANCE)
    assert f1.micro[0] == pytest.approx(expected["micro_average"], abs=TOLERANCE)


def test_many_resamples_give_the_areas_of_each_alone_without_more_memory() -> None:
    queries, _, _ = draw(1)
    weights = bootstrap_weights(N_CLIPS, 1000, seed=1)
    changes = list(count_changes(queries, PSDS1, np.zeros(len(LABELS))))
    tracemalloc.start()
    areas = psds(changes, queries, weights, alpha_ct=0.0, max_fp_per_hour=100.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < sum(len(c.score) for c in changes) * weights.shape[1] * 8  # bytes of an array of all points
    for number in (0, 15, 16, 1000):
        alone = psds(changes, queries, weights[:, [number]], alpha_ct=0.0, max_fp_per_hour=100.0)
        assert areas.mean_minus_std[number] == pytest.approx(alone.mean_minus_std[0], abs=TOLERANCE, nan_ok=True)
        assert areas.by_label[:, number] == pytest.approx(alone.by_label[:, 0], abs=TOLERANCE, nan_ok=True)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_resample_scores_like_a_set_with_repeated_clips(seed: int) -> None:
    queries, _, _ = draw(seed)
    drawn = np.random.default_rng(seed).integers(N_CLIPS, size=N_CLIPS)
    drawn[: len(LABELS)] = range(len(LABELS))  # every label has an event
    weights = np.stack([np.ones(N_CLIPS), np.bincount(drawn, minlength=N_CLIPS)], axis=1)
    n_labels = len(LABELS)
    repeated = [
        ScoredQuery(number, query.label, query.curve, query.edges_s, query.events)
        for number, clip in enumerate(drawn)
        for query in queries.queries[clip * n_labels : (clip + 1) * n_labels]
    ]
    resampled = compute_figures(queries, GRID, weights, SETTINGS).overall
    expected = compute_figures(ScoredQueries(LABELS, tuple(repeated), N_CLIPS), GRID, UNWEIGHTED, SETTINGS).overall
    for name, values in resampled.items():
        assert values[1] == pytest.approx(expected[name][0], abs=TOLERANCE, nan_ok=True), name
