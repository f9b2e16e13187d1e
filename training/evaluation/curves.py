"""Figures of merit from the changes of each label, for so many bootstrap resamples at once as memory holds.

Everywhere weights (R, B) say how often each recording counts in each resample, and a label of which a resample holds no event
is left out of its means; where it holds none of any label, there is no number.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from training.evaluation.count_changes import CountChanges
from training.evaluation.scored_queries import ScoredQueries

Array = NDArray[np.float64]
THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.02), 2)
REACH, MARGIN = 2.0, 30
"""What lies past this many times the largest false positive rate, and so many recordings more, no resample reaches."""
SIGMAS = 6.0
"""No resample strays further from what is expected of it."""
RESAMPLES_AT_ONCE = 16
Points = Callable[[slice], tuple[Array, Array]]
"""The points of a label's curve, x and y, (N, b) in no order, in some of the resamples."""


@dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """Areas under the curves of each label (L, B), the mean of them (B,), and the area under mean less spread (B,)."""

    by_label: Array
    mean: Array
    stable: Array


@dataclass(frozen=True, slots=True, eq=False)
class FScores:
    """F1 of each label (L, B), the mean of them (B,), and F1 of all counts together (B,)."""

    by_label: Array
    macro: Array
    micro: Array


def floors(asked: ScoredQueries, per_hour: float) -> Array:
    """Scores down to which PSDS up to `per_hour` false positives looks, of each label: (L,).

    Below a score that so many recordings without the sound reach, each of them holds a false positive or more.
    """
    absent: list[list[float]] = [[] for _ in asked.labels]
    for pair in asked.queries:
        if not len(pair.target[0]):
            absent[pair.label].append(float(pair.curve.max()))
    found = np.zeros(len(asked.labels))
    for label, own in enumerate(absent):
        highest = sorted(own, reverse=True)
        enough = int(REACH * per_hour * asked.duration_s[label].sum() / 3600) + MARGIN
        found[label] = highest[enough] if enough < len(highest) else 0.0
    return found


def psds(
    found: Iterable[CountChanges], asked: ScoredQueries, weights: Array, alpha_ct: float, per_hour: float
) -> Areas:
    """Polyphonic sound detection scores (arXiv 1910.08440): the areas divided by `per_hour`.

    `mean` is that with alpha_st 0, the mean of the single-class scores, and `stable` that with alpha_st 1.
    """
    heard_s = asked.heard_s @ weights  # (L, B)

    def points(label: int, own: CountChanges, which: slice) -> tuple[Array, Array]:
        drawn, counted = weights[:, which], own.counted()
        x = _summed(own.false_positives, own.recording, drawn) / (asked.duration_s[label] / 3600 @ drawn)
        if alpha_ct:
            x += alpha_ct * 3600 * _cross_trigger_rate(own, drawn, heard_s[:, which])
        y = _summed(own.true_positives, own.recording, drawn)
        return x[counted], _share(y[counted], asked.events[label] @ drawn)

    curves = (
        partial(points, label, own.first(_within_reach(own, per_hour * asked.duration_s[label] / 3600)))
        for label, own in enumerate(found)
    )
    return _areas(curves, weights.shape[1], per_hour)


def _within_reach(own: CountChanges, accepted: Array) -> int:
    """Behind how many changes all resamples hold more false positives than are accepted, so many of each recording (R,)."""
    order = np.argsort(own.recording, kind="stable")
    change = own.false_positives[order]
    total = np.cumsum(change)
    begin = np.searchsorted(own.recording[order], own.recording[order])
    count = total - (total - change)[begin]  # of each recording alone
    squares = np.empty_like(count)
    squares[order] = count**2 - (count - change) ** 2
    spread = np.sqrt(np.maximum(np.cumsum(squares), 0)) + np.sqrt((accepted**2).sum())
    reached = np.cumsum(own.false_positives) - accepted.sum() <= SIGMAS * spread
    return int(np.flatnonzero(reached).max(initial=-1)) + 1


def partial_auroc(found: Iterable[CountChanges], weights: Array, max_fpr: float) -> Areas:
    """Areas under the receiver operating characteristics up to `max_fpr`, divided by it."""

    def points(own: CountChanges, which: slice) -> tuple[Array, Array]:
        limit = (REACH * max_fpr + MARGIN / len(weights)) * own.false_positives.sum()
        kept = int(np.searchsorted(np.cumsum(own.false_positives), limit, "right"))
        drawn, counted = weights[:, which], own.counted()[:kept]
        x, y = (
            _share(
                _summed(counts[:kept], own.recording[:kept], drawn)[counted],
                np.bincount(own.recording, counts, minlength=len(drawn)) @ drawn,
            )
            for counts in (own.false_positives, own.true_positives)
        )
        return x, y

    return _areas((partial(points, own) for own in found), weights.shape[1], max_fpr)


def f_scores(found: Iterable[CountChanges], asked: ScoredQueries, weights: Array, thresholds: Array) -> FScores:
    """F1 of what is above each label's threshold (L,)."""
    each = zip(found, asked.events, thresholds, strict=True)
    counts = np.stack([_above(own, events, weights, threshold) for own, events, threshold in each], axis=1)  # (3, L, B)
    by_label = _f1_where_heard(*counts)
    return FScores(by_label, _mean(by_label), _f1(*counts.sum(axis=1)))


def f_scores_by_threshold(found: Iterable[CountChanges], asked: ScoredQueries, weights: Array) -> Array:
    """F1 of each label at each of THRESHOLDS: (K, L, B)."""
    by_label = [
        _f1_where_heard(*np.stack([_above(own, events, weights, t) for t in THRESHOLDS], axis=1))
        for own, events in zip(found, asked.events, strict=True)
    ]
    return np.stack(by_label, axis=1)


def _above(own: CountChanges, events: Array, weights: Array, threshold: float) -> Array:
    """True positives and false positives above a threshold, and events: (3, B)."""
    above = own.score > threshold
    found = [
        np.bincount(own.recording[above], deltas[above], minlength=len(weights))
        for deltas in (own.true_positives, own.false_positives)
    ]
    return np.stack([*found, events]) @ weights


def _f1(true_positives: Array, false_positives: Array, events: Array) -> Array:
    return 2 * true_positives / np.maximum(true_positives + false_positives + events, 1)


def _f1_where_heard(true_positives: Array, false_positives: Array, events: Array) -> Array:
    return np.where(events > 0, _f1(true_positives, false_positives, events), np.nan)


def _summed(deltas: Array, recording: NDArray[np.int64], weights: Array) -> Array:
    """The counts below each score: (N, B)."""
    return np.cumsum(deltas[:, None] * weights[recording], axis=0)


def _mean(by_label: Array) -> Array:
    """The mean of those labels (L, B) that have a number: (B,); no number where none has."""
    return _share(np.nansum(by_label, axis=0), np.isfinite(by_label).sum(axis=0))


def _share(counts: Array, all_of_them: Array) -> Array:
    """Counts (N, B) as shares of (B,); no number where there are none."""
    return counts / np.where(all_of_them > 0, all_of_them, np.nan)


def _cross_trigger_rate(own: CountChanges, weights: Array, heard_s: Array) -> Array:
    """Cross triggers per second of each other label's events, the mean of the other labels, below each score: (N, B)."""
    row, other = own.crossed.row, own.crossed.other
    rates = np.zeros((len(own.score), weights.shape[1]))
    rate = own.crossed.change[:, None] * weights[own.recording[row]] / np.maximum(heard_s[other], 1e-12)
    np.add.at(rates, row, rate)
    return np.cumsum(rates, axis=0) / max(1, len(heard_s) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Where a label's staircase rises: in which resample, at which x, by how much, and by how much its square: (M,)."""

    resample: NDArray[np.int64]
    x: Array
    rise: Array
    squared: Array


def _areas(curves: Iterable[Points], n_resamples: int, limit: float) -> Areas:
    """Areas up to `limit` under the staircases through the points of each label."""
    starts = range(0, n_resamples, RESAMPLES_AT_ONCE)
    blocks = [slice(start, min(start + RESAMPLES_AT_ONCE, n_resamples)) for start in starts]
    by_label: list[Array] = []
    steps: list[list[_Steps]] = [[] for _ in blocks]
    for points in curves:
        reduced = [_reduced(*points(block), limit) for block in blocks]
        by_label.append(np.concatenate([area for area, _ in reduced]))
        for of_block, (_, own) in zip(steps, reduced, strict=True):
            of_block.append(own)
    areas = np.stack(by_label)
    n_labels = np.isfinite(areas).sum(axis=0)
    stable = [
        area for own, block in zip(steps, blocks, strict=True) for area in _stable_areas(own, n_labels[block], limit)
    ]
    return Areas(areas, _mean(areas), np.array(stable))


def _reduced(x: Array, y: Array, limit: float) -> tuple[Array, _Steps]:
    """The areas (b,) up to `limit` under the staircases through points (N, b), and their steps."""
    order = np.argsort(x, axis=0, kind="stable")
    x, y = np.take_along_axis(x, order, 0), np.take_along_axis(y, order, 0)
    y = np.maximum.accumulate(np.maximum(y, 0), axis=0)
    rise = np.diff(y, axis=0, prepend=0.0)
    rest = limit - np.minimum(x, limit)  # how far a rise at x reaches
    point, resample = np.nonzero((rise > 0) & (rest > 0))
    squared = np.diff(y**2, axis=0, prepend=0.0)
    steps = _Steps(resample, x[point, resample], rise[point, resample], squared[point, resample])
    return (rise * rest).sum(axis=0) / limit, steps


def _stable_areas(steps: Iterable[_Steps], n_labels: NDArray[np.int64], limit: float) -> Iterator[float]:
    """The area under mean less spread of all labels in each resample of a block, of which (b,) labels have curves."""
    parts = [(own.resample, own.x, own.rise, own.squared) for own in steps]
    resample, x, rise, squared = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((x, resample))
    bounds = np.searchsorted(resample[order], np.arange(len(n_labels) + 1))
    for own, n in zip(np.split(order, bounds[1:-1]), n_labels, strict=True):
        yield _stable_area(x[own], rise[own] / n, squared[own] / n, limit) if n else np.nan


def _stable_area(x: Array, rise: Array, squared: Array, limit: float) -> float:
    """Area under mean less standard deviation, from the steps of the mean and of the mean square, in order of x."""
    mean, mean_square = np.cumsum(rise), np.cumsum(squared)
    spread = np.sqrt(np.maximum(mean_square - mean**2, 0))
    return float((np.maximum(mean - spread, 0) * np.diff(x, append=limit)).sum() / limit)
