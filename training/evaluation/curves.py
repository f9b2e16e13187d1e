"""PSDS, partial AUROC and F1 from the count changes of each label, for all bootstrap resamples at once.

Letters of shapes: L labels, C clips, B resamples, b resamples of a block, N count changes, K thresholds, M steps.
`weights` (C, B) is the number of times that each clip counts in each resample. A label without a true event in a
resample is left out of that resample's means; the figure of a resample without any true event is NaN.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.evaluation.count_changes import CountChanges
from training.evaluation.scored_queries import ScoredQueries

Array = NDArray[np.float64]
F1_THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.02), 2)
"""Decision thresholds at which F1 is computed for threshold choice and Th-AUC: 0.01, 0.03, ..., 0.99; (K,)."""
FALSE_POSITIVE_FACTOR, FALSE_POSITIVE_MARGIN = 2.0, 30
"""A curve is computed until the whole set has this factor times the false positives at the area's right end, plus the
margin.

The false positives of a bootstrap resample differ from those of the whole set, but by less than this factor and margin.
"""
SIGMAS = 6.0
"""Largest assumed deviation of a resample's false positive count from its expected value, in standard deviations."""
RESAMPLES_PER_BLOCK = 16
"""Number of resamples whose curves are held in memory at the same time."""
CurvePoints = Callable[[slice], tuple[Array, Array]]
"""Returns the points of a label's curve in a block of resamples: x and y, (N, b) each, in any order."""


@dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """Areas under the curves of the labels, divided by the largest x, in [0, 1].

    Attributes:
        by_label: Area of each label, (L, B).
        mean: Mean over the labels, (B,).
        mean_minus_std: Area under the mean of the labels' curves minus their standard deviation, (B,).
    """

    by_label: Array
    mean: Array
    mean_minus_std: Array


@dataclass(frozen=True, slots=True, eq=False)
class FScores:
    """F1 scores, in [0, 1].

    Attributes:
        by_label: F1 of each label, (L, B).
        macro: Mean over the labels, (B,).
        micro: F1 of the counts summed over the labels, (B,).
    """

    by_label: Array
    macro: Array
    micro: Array


def score_floors(queries: ScoredQueries, max_fp_per_hour: float) -> Array:
    """The floor of each label, (L,): thresholds below the floor do not change the PSDS. 0 where no floor is known.

    Consider the clips without an event of the label, in order of falling highest score. At a threshold below the highest
    score of the n-th clip, each of the first n clips has at least one false positive. The floor is that score for an n
    above the largest number of false positives inside the area of the PSDS.

    Args:
        queries: Score curves and true events.
        max_fp_per_hour: Largest false positive rate of the PSDS, per hour of audio.
    """
    clip_maxima: list[list[float]] = [[] for _ in queries.labels]
    for query in queries.queries:
        if not len(query.target_events[0]):
            clip_maxima[query.label].append(float(query.curve.max()))
    score_floor = np.zeros(len(queries.labels))
    for label, maxima in enumerate(clip_maxima):
        highest = sorted(maxima, reverse=True)
        accepted = max_fp_per_hour * queries.duration_s[label].sum() / 3600
        n = int(FALSE_POSITIVE_FACTOR * accepted) + FALSE_POSITIVE_MARGIN
        score_floor[label] = highest[n] if n < len(highest) else 0.0
    return score_floor


class SetTotals(Protocol):
    """Totals of an evaluation set, (L, C) each; `ScoredQueries` has them."""

    @property
    def n_events(self) -> Array:
        """Number of true events."""
        ...

    @property
    def event_s(self) -> Array:
        """Total duration of the true events, in seconds."""
        ...

    @property
    def duration_s(self) -> Array:
        """Duration of the clips in which each label was searched for, in seconds."""
        ...


def psds(
    changes: Iterable[CountChanges], queries: SetTotals, weights: Array, alpha_ct: float, max_fp_per_hour: float
) -> Areas:
    """Polyphonic sound detection scores (arXiv 1910.08440).

    The curve of a label (its PSD-ROC) has the effective false positive rate per hour as x, and the fraction of true
    events that are detected (the true positive rate) as y. The effective false positive rate is the false positive rate
    plus `alpha_ct` times the mean cross-trigger rate. `mean` is the PSDS with alpha_st = 0, and `mean_minus_std` the PSDS
    with alpha_st = 1, where alpha_st is the cost of instability across labels.

    Args:
        changes: Count changes of each label, in the order of `queries.labels`.
        queries: The scored queries that `changes` come from, or their totals.
        weights: Number of times that each clip counts in each resample, (C, B).
        alpha_ct: Cost of cross triggers.
        max_fp_per_hour: Largest effective false positive rate (e_max); areas are divided by it.
    """
    event_s = queries.event_s @ weights  # (L, B)

    def points(label: int, label_changes: CountChanges, block: slice) -> tuple[Array, Array]:
        drawn, complete = weights[:, block], label_changes.ends_of_ties()
        hours = queries.duration_s[label] / 3600 @ drawn
        x = _cumulative(label_changes.false_positives, label_changes.clip, drawn) / hours
        if alpha_ct:
            x += alpha_ct * 3600 * _cross_trigger_rate(label_changes, drawn, event_s[:, block])
        y = _cumulative(label_changes.true_positives, label_changes.clip, drawn)
        nothing = np.zeros(
            (1, drawn.shape[1])
        )  # above all scores; without it, a label without changes would have an area
        x, y = (np.concatenate([nothing, counts[complete]]) for counts in (x, y))
        return x, _ratio(y, queries.n_events[label] @ drawn)

    curves = (
        partial(
            points,
            label,
            label_changes.first(_n_reachable(label_changes, max_fp_per_hour * queries.duration_s[label] / 3600)),
        )
        for label, label_changes in enumerate(changes)
    )
    return _areas(curves, weights.shape[1], max_fp_per_hour)


def _n_reachable(changes: CountChanges, accepted: Array) -> int:
    """Number of leading count changes after which every resample has more false positives than accepted.

    The difference between the false positives of a resample and the accepted false positives is a sum over drawn clips.
    This sum is assumed to differ from the sum over the whole set by at most SIGMAS standard deviations.

    Args:
        changes: Count changes of a label.
        accepted: Number of false positives that each clip adds to the accepted count, (C,).
    """
    order = np.argsort(changes.clip, kind="stable")
    change = changes.false_positives[order]
    total = np.cumsum(change)
    begin = np.searchsorted(changes.clip[order], changes.clip[order])
    count = total - (total - change)[begin]  # accumulated within each clip
    squares = np.empty_like(count)
    squares[order] = count**2 - (count - change) ** 2
    deviation = np.sqrt(np.maximum(np.cumsum(squares), 0)) + np.sqrt((accepted**2).sum())
    reachable = np.cumsum(changes.false_positives) - accepted.sum() <= SIGMAS * deviation
    return int(np.flatnonzero(reachable).max(initial=-1)) + 1


def partial_auroc(changes: Iterable[CountChanges], weights: Array, max_fpr: float) -> Areas:
    """Partial AUROC: area under each label's receiver operating characteristic up to `max_fpr`, divided by `max_fpr`.

    Args:
        changes: Count changes of each label, where each entry is a time slice that is either positive or negative.
        weights: Number of times that each clip counts in each resample, (C, B).
        max_fpr: Largest false positive rate, in [0, 1].
    """

    def points(label_changes: CountChanges, block: slice) -> tuple[Array, Array]:
        n_clips = len(weights)
        limit = (
            FALSE_POSITIVE_FACTOR * max_fpr + FALSE_POSITIVE_MARGIN / n_clips
        ) * label_changes.false_positives.sum()
        kept = int(np.searchsorted(np.cumsum(label_changes.false_positives), limit, "right"))
        drawn, complete = weights[:, block], label_changes.ends_of_ties()[:kept]
        x, y = (
            _ratio(
                _cumulative(counts[:kept], label_changes.clip[:kept], drawn)[complete],
                np.bincount(label_changes.clip, counts, minlength=n_clips) @ drawn,
            )
            for counts in (label_changes.false_positives, label_changes.true_positives)
        )
        return x, y

    return _areas((partial(points, label_changes) for label_changes in changes), weights.shape[1], max_fpr)


def f_scores(changes: Iterable[CountChanges], queries: ScoredQueries, weights: Array, thresholds: Array) -> FScores:
    """F1 of the detections above each label's threshold (L,)."""
    counts = np.stack(
        [
            _counts_above(label_changes, n_events, threshold, weights)
            for label_changes, n_events, threshold in zip(changes, queries.n_events, thresholds, strict=True)
        ],
        axis=1,
    )  # (3, L, B)
    f1_by_label = _f1_or_nan(*counts)
    return FScores(f1_by_label, _mean(f1_by_label), _f1(*counts.sum(axis=1)))


def f_scores_by_threshold(changes: Iterable[CountChanges], queries: ScoredQueries, weights: Array) -> Array:
    """F1 of each label at each of F1_THRESHOLDS: (K, L, B)."""
    by_label = [
        _f1_or_nan(*np.stack([_counts_above(label_changes, n_events, t, weights) for t in F1_THRESHOLDS], axis=1))
        for label_changes, n_events in zip(changes, queries.n_events, strict=True)
    ]
    return np.stack(by_label, axis=1)


def _counts_above(changes: CountChanges, n_events: Array, threshold: float, weights: Array) -> Array:
    """True positives and false positives above a threshold, and true events: (3, B), from true events by clip (C,)."""
    above = changes.score > threshold
    counts = [
        np.bincount(changes.clip[above], deltas[above], minlength=len(weights))
        for deltas in (changes.true_positives, changes.false_positives)
    ]
    return np.stack([*counts, n_events]) @ weights


def _f1(true_positives: Array, false_positives: Array, n_events: Array) -> Array:
    return 2 * true_positives / np.maximum(true_positives + false_positives + n_events, 1)


def _f1_or_nan(true_positives: Array, false_positives: Array, n_events: Array) -> Array:
    """F1, or NaN where there is no true event."""
    return np.where(n_events > 0, _f1(true_positives, false_positives, n_events), np.nan)


def _cumulative(deltas: Array, clip: NDArray[np.int64], weights: Array) -> Array:
    """Counts at a threshold just below the score of each change: (N, B)."""
    return np.cumsum(deltas[:, None] * weights[clip], axis=0)


def _mean(by_label: Array) -> Array:
    """The mean over the labels that are not NaN, (L, B) to (B,); NaN if all labels are NaN."""
    return _ratio(np.nansum(by_label, axis=0), np.isfinite(by_label).sum(axis=0))


def _ratio(counts: Array, totals: Array) -> Array:
    """Counts (N, B) divided by totals (B,); NaN where the total is 0."""
    return counts / np.where(totals > 0, totals, np.nan)


def _cross_trigger_rate(changes: CountChanges, weights: Array, event_s: Array) -> Array:
    """Mean cross-trigger rate at a threshold just below the score of each change: (N, B).

    The cross-trigger rate with another label is the number of cross triggers with that label, divided by the duration of
    that label's true events, `event_s` (L, B). The mean is taken over all other labels.
    """
    row, other = changes.cross_triggers.row, changes.cross_triggers.other
    rates = np.zeros((len(changes.score), weights.shape[1]))
    rate = changes.cross_triggers.change[:, None] * weights[changes.clip[row]] / np.maximum(event_s[other], 1e-12)
    np.add.at(rates, row, rate)
    return np.cumsum(rates, axis=0) / max(1, len(event_s) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Steps of a label's curve, which is a rising staircase, in the resamples of a block.

    Attributes:
        resample: Index of the resample within the block, (M,).
        x: Position of the step, (M,).
        rise: Increase of y, (M,).
        rise_of_square: Increase of y squared, (M,).
    """

    resample: NDArray[np.int64]
    x: Array
    rise: Array
    rise_of_square: Array


def _areas(curves: Iterable[CurvePoints], n_resamples: int, max_x: float) -> Areas:
    """Areas under the labels' staircase curves from 0 to `max_x`, divided by `max_x`.

    To save memory, the points of a label are reduced to the steps below `max_x` before the points of the next label are
    computed.
    """
    starts = range(0, n_resamples, RESAMPLES_PER_BLOCK)
    blocks = [slice(start, min(start + RESAMPLES_PER_BLOCK, n_resamples)) for start in starts]
    by_label: list[Array] = []
    steps_of_blocks: list[list[_Steps]] = [[] for _ in blocks]
    for points in curves:
        areas_and_steps = [_area_and_steps(*points(block), max_x) for block in blocks]
        by_label.append(np.concatenate([area for area, _ in areas_and_steps]))
        for steps_of_block, (_, steps) in zip(steps_of_blocks, areas_and_steps, strict=True):
            steps_of_block.append(steps)
    areas = np.stack(by_label)
    n_labels = np.isfinite(areas).sum(axis=0)
    mean_minus_std = [
        area
        for steps_of_block, block in zip(steps_of_blocks, blocks, strict=True)
        for area in _areas_of_mean_minus_std(steps_of_block, n_labels[block], max_x)
    ]
    return Areas(areas, _mean(areas), np.array(mean_minus_std))


def _area_and_steps(x: Array, y: Array, max_x: float) -> tuple[Array, _Steps]:
    """The areas (b,) under the staircases through points (N, b), and the steps of the staircases below `max_x`."""
    order = np.argsort(x, axis=0, kind="stable")
    x, y = np.take_along_axis(x, order, 0), np.take_along_axis(y, order, 0)
    y = np.maximum.accumulate(np.maximum(y, 0), axis=0)
    rise = np.diff(y, axis=0, prepend=0.0)
    width = max_x - np.minimum(x, max_x)  # a step at x raises the curve from x to max_x
    point, resample = np.nonzero((rise > 0) & (width > 0))
    rise_of_square = np.diff(y**2, axis=0, prepend=0.0)
    steps = _Steps(resample, x[point, resample], rise[point, resample], rise_of_square[point, resample])
    return (rise * width).sum(axis=0) / max_x, steps


def _areas_of_mean_minus_std(steps: Iterable[_Steps], n_labels: NDArray[np.int64], max_x: float) -> Iterator[float]:
    """Yields the area under the labels' mean minus standard deviation in each resample of a block.

    Args:
        steps: Steps of each label's curve.
        n_labels: Number of labels with a curve in each resample, (b,).
        max_x: Right end of the area.
    """
    columns = [(s.resample, s.x, s.rise, s.rise_of_square) for s in steps]
    resample, x, rise, rise_of_square = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.lexsort((x, resample))
    bounds = np.searchsorted(resample[order], np.arange(len(n_labels) + 1))
    for rows, n in zip(np.split(order, bounds[1:-1]), n_labels, strict=True):
        yield _area_of_mean_minus_std(x[rows], rise[rows] / n, rise_of_square[rows] / n, max_x) if n else np.nan


def _area_of_mean_minus_std(x: Array, rise: Array, rise_of_square: Array, max_x: float) -> float:
    """Area under mean minus standard deviation, from the steps of the mean and of the mean square, sorted by x."""
    mean, mean_square = np.cumsum(rise), np.cumsum(rise_of_square)
    std = np.sqrt(np.maximum(mean_square - mean**2, 0))
    return float((np.maximum(mean - std, 0) * np.diff(x, append=max_x)).sum() / max_x)
