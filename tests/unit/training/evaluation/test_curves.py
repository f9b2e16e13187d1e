import numpy as np
import pytest

from training.evaluation.count_changes import CountChanges, CrossTriggers
from training.evaluation.curves import psds
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, bootstrap_weights, merged_events

N_CLIPS, HOUR_S, MAX_FP_PER_HOUR = 500, 3600.0, 0.2


def test_false_positives_that_no_resample_reaches_change_nothing() -> None:
    rng = np.random.default_rng(0)
    edges_s, no_indices = np.array([0.0, HOUR_S]), np.empty(0, dtype=np.int64)
    scored = [ScoredQuery(i, 0, np.zeros(1), edges_s, {0: merged_events([(0.0, 1.0)])}) for i in range(N_CLIPS)]
    queries = ScoredQueries(("dog",), tuple(scored), N_CLIPS)
    correct = rng.permutation(np.repeat([True, False], [N_CLIPS, 20 * N_CLIPS])).astype(np.float64)
    clip = rng.integers(N_CLIPS, size=len(correct))
    changes = CountChanges(
        np.linspace(1, 0, len(correct)), clip, correct, 1 - correct, CrossTriggers(no_indices, no_indices, np.empty(0))
    )
    weights = bootstrap_weights(N_CLIPS, 200, seed=0)
    x = np.cumsum((1 - correct)[:, None] * weights[clip], axis=0) / N_CLIPS
    y = np.cumsum(correct[:, None] * weights[clip], axis=0) / N_CLIPS
    areas = (np.diff(y, axis=0, prepend=0) * np.maximum(MAX_FP_PER_HOUR - x, 0)).sum(axis=0) / MAX_FP_PER_HOUR
    assert psds([changes], queries, weights, alpha_ct=0.0, max_fp_per_hour=MAX_FP_PER_HOUR).mean == pytest.approx(
        areas, rel=1e-12
    )
