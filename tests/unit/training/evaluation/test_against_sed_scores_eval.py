"""The same figures from sed_scores_eval, whose way to count this is, on curves drawn at random."""

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
N_RECORDINGS = 12
SETTINGS = [postprocessing_at(0.5, 0.0, 1.0)] * len(LABELS)
TOLERANCE = 1e-6
"""A spread of nothing comes out as 1e-8, as the root of a difference of squares."""
ONCE = np.ones((N_RECORDINGS, 1))
PSDS2 = {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3, "alpha_ct": 0.5}


def draw(seed: int) -> tuple[ScoredQueries, dict[str, Any], dict[str, Any]]:
    """Noisy curves with ties over random events, as both take them."""
    rng = np.random.default_rng(seed)
    edges_s = GRID.edges(100, DURATION_S)
    pairs: list[ScoredQuery] = []
    scores: dict[str, Any] = {}
    truth: dict[str, Any] = {}
    for recording in range(N_RECORDINGS):
        curves = rng.random((len(LABELS), 100)).round(2) * 0.5 + 0.001
        events: list[tuple[str, float, float]] = []
        for label in range(len(LABELS)):
            if recording == label or rng.random() < 0.4:
                begin, end = np.sort(rng.choice(100, 2, replace=False))
                events.append((LABELS[label], float(edges_s[begin]), float(edges_s[end])))
                curves[label, begin:end] += rng.random()
            curves[label] = np.clip(np.convolve(curves[label], np.ones(9) / 9, "same"), 0.001, 0.999).round(3)
        own = events_by_label(LABELS, events, DURATION_S)
        pairs += [ScoredQuery(recording, label, curves[label], edges_s, own) for label in range(len(LABELS))]
        scores[f"r{recording}"] = create_score_dataframe(curves.T, edges_s, list(LABELS))
        truth[f"r{recording}"] = [(onset_s, offset_s, label) for label, onset_s, offset_s in events]
    return ScoredQueries(LABELS, tuple(pairs), N_RECORDINGS), scores, truth


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_areas_are_those_of_sed_scores_eval(seed: int) -> None:
    asked, scores, truth = draw(seed)
    durations_s = dict.fromkeys(truth, DURATION_S)
    figures = compute_figures(asked, GRID, ONCE, SETTINGS)
    first: Any = intersection_based.psds(
        scores, truth, durations_s, dtc_threshold=0.7, gtc_threshold=0.7, alpha_st=1.0, max_efpr=100.0
    )
    second: Any = intersection_based.psds(scores, truth, durations_s, alpha_st=1.0, max_efpr=100.0, **PSDS2)
    auroc: Any = segment_based.auroc(scores, truth, durations_s, segment_length=1.0, max_fpr=0.1)
    assert figures.overall["psds1"][0] == pytest.approx(first[0], abs=TOLERANCE)
    assert figures.by_label["psds1"][:, 0] == pytest.approx([first[1][label] for label in LABELS], abs=TOLERANCE)
    assert figures.overall["psds2"][0] == pytest.approx(second[0], abs=TOLERANCE)
    assert figures.by_label["psds2"][:, 0] == pytest.approx([second[1][label] for label in LABELS], abs=TOLERANCE)
    assert figures.overall["partial_auroc"][0] == pytest.approx(auroc[0]["mean"], abs=TOLERANCE)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), threshold=st.sampled_from([0.05, 0.2, 0.4, 0.7]))
def test_event_f1_is_that_of_sed_scores_eval(seed: int, threshold: float) -> None:
    asked, scores, truth = draw(seed)
    found = event_f1(asked, ONCE, np.full(len(LABELS), threshold))
    expected: Any = collar_based.fscore(
        scores, truth, threshold, onset_collar=0.2, offset_collar=0.2, offset_collar_rate=0.2
    )[0]
    assert found.macro[0] == pytest.approx(expected["macro_average"], abs=TOLERANCE)
    assert found.micro[0] == pytest.approx(expected["micro_average"], abs=TOLERANCE)


def test_many_resamples_score_as_one_by_one_and_take_no_more_memory() -> None:
    asked, _, _ = draw(1)
    weights = bootstrap_weights(N_RECORDINGS, 1000, seed=1)
    found = list(count_changes(asked, PSDS1, np.zeros(len(LABELS))))
    tracemalloc.start()
    areas = psds(found, asked, weights, alpha_ct=0.0, per_hour=100.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < sum(len(own.score) for own in found) * weights.shape[1] * 8  # of one array of all points
    for number in (0, 15, 16, 1000):
        alone = psds(found, asked, weights[:, [number]], alpha_ct=0.0, per_hour=100.0)
        assert areas.stable[number] == pytest.approx(alone.stable[0], abs=TOLERANCE, nan_ok=True)
        assert areas.by_label[:, number] == pytest.approx(alone.by_label[:, 0], abs=TOLERANCE, nan_ok=True)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_resample_scores_as_if_its_recordings_were_there_so_often(seed: int) -> None:
    asked, _, _ = draw(seed)
    drawn = np.random.default_rng(seed).integers(N_RECORDINGS, size=N_RECORDINGS)
    drawn[: len(LABELS)] = range(len(LABELS))  # every label is heard
    weights = np.stack([np.ones(N_RECORDINGS), np.bincount(drawn, minlength=N_RECORDINGS)], axis=1)
    n_labels = len(LABELS)
    again = [
        ScoredQuery(number, pair.label, pair.curve, pair.edges_s, pair.events)
        for number, recording in enumerate(drawn)
        for pair in asked.queries[recording * n_labels : (recording + 1) * n_labels]
    ]
    resampled = compute_figures(asked, GRID, weights, SETTINGS).overall
    expected = compute_figures(ScoredQueries(LABELS, tuple(again), N_RECORDINGS), GRID, ONCE, SETTINGS).overall
    for name, values in resampled.items():
        assert values[1] == pytest.approx(expected[name][0], abs=TOLERANCE, nan_ok=True), name
