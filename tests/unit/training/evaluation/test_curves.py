import numpy as np
import pytest

from training.evaluation.count_changes import CountChanges, CrossTriggers
from training.evaluation.curves import psds
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, bootstrap_weights, merged_events

N_RECORDINGS, HOUR_S, PER_HOUR = 500, 3600.0, 0.2


def test_false_positives_that_no_resample_reaches_change_nothing() -> None:
    rng = np.random.default_rng(0)
    edges_s, none = np.array([0.0, HOUR_S]), np.empty(0, dtype=np.int64)
    pairs = [ScoredQuery(i, 0, np.zeros(1), edges_s, {0: merged_events([(0.0, 1.0)])}) for i in range(N_RECORDINGS)]
    asked = ScoredQueries(("dog",), tuple(pairs), N_RECORDINGS)
    right = rng.permutation(np.repeat([True, False], [N_RECORDINGS, 20 * N_RECORDINGS])).astype(np.float64)
    recording = rng.integers(N_RECORDINGS, size=len(right))
    found = CountChanges(
        np.linspace(1, 0, len(right)), recording, right, 1 - right, CrossTriggers(none, none, np.empty(0))
    )
    weights = bootstrap_weights(N_RECORDINGS, 200, seed=0)
    x = np.cumsum((1 - right)[:, None] * weights[recording], axis=0) / N_RECORDINGS
    y = np.cumsum(right[:, None] * weights[recording], axis=0) / N_RECORDINGS
    areas = (np.diff(y, axis=0, prepend=0) * np.maximum(PER_HOUR - x, 0)).sum(axis=0) / PER_HOUR
    assert psds([found], asked, weights, alpha_ct=0.0, per_hour=PER_HOUR).mean == pytest.approx(areas, rel=1e-12)
