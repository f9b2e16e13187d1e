"""Figures of merit from the changes of each label, for all bootstrap resamples at once.

Everywhere weights (R, B) say how often each recording counts in each resample, and a label of which a resample holds no event
is left out of its means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.asked import Asked
from training.evaluation.changes import Changes

Array = NDArray[np.float64]
THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.02), 2)
REACH, MARGIN = 2.0, 30
"""What lies past this many times the largest false positive rate, and so many recordings more, no resample reaches."""


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


def floors(asked: Asked, per_hour: float) -> Array:
    """Scores down to which PSDS up to `per_hour` false positives looks, of each label: (L,).

    Below a score that so many recordings without the sound reach, each of them holds a false positive or more.
    """
    found = np.zeros(len(asked.labels))
    for label in range(len(asked.labels)):
        highest = np.sort([p.curve.max() for p in asked.pairs if p.label == label and not len(p.target[0])])[::-1]
        enough = int(REACH * per_hour * asked.duration_s[label].sum() / 3600) + MARGIN
        found[label] = highest[enough] if enough < len(highest) else 0.0
    return found


def psds(found: Sequence[Changes], asked: Asked, weights: Array, alpha_ct: float, per_hour: float) -> Areas:
    """Polyphonic sound detection scores (arXiv 1910.08440): the areas divided by `per_hour`.

    `mean` is that with alpha_st 0, the mean of the single-class scores, and `stable` that with alpha_st 1.
    """
    heard_s = asked.heard_s @ weights  # (L, B)
    xs: list[Array] = []
    ys: list[Array] = []
    for label, own in enumerate(found):
        hours = asked.duration_s[label] / 3600
        x = _summed(own.false_positives, own.recording, weights) / (hours @ weights)
        if alpha_ct:
            x += alpha_ct * 3600 * _cross_trigger_rate(own, weights, heard_s)
        y = _summed(own.true_positives, own.recording, weights)
        counted = own.counted()
        xs.append(x[counted])
        ys.append(_share(y[counted], asked.events[label] @ weights))
    return _areas(xs, ys, per_hour)


def partial_auroc(found: Sequence[Changes], weights: Array, max_fpr: float) -> Areas:
    """Areas under the receiver operating characteristics up to `max_fpr`, divided by it."""
    xs: list[Array] = []
    ys: list[Array] = []
    for own in found:
        limit = (REACH * max_fpr + MARGIN / len(weights)) * own.false_positives.sum()
        kept = int(np.searchsorted(np.cumsum(own.false_positives), limit, "right"))
        negatives, positives = (
            np.bincount(own.recording, counts, minlength=len(weights)) @ weights
            for counts in (own.false_positives, own.true_positives)
        )
        counted = own.counted()[:kept]
        xs.append(_share(_summed(own.false_positives[:kept], own.recording[:kept], weights)[counted], negatives))
        ys.append(_share(_summed(own.true_positives[:kept], own.recording[:kept], weights)[counted], positives))
    return _areas(xs, ys, max_fpr)


def f_scores(found: Sequence[Changes], asked: Asked, weights: Array, thresholds: Array) -> FScores:
    """F1 of what is above each label's threshold (L,)."""
    counts = np.zeros((3, len(found), weights.shape[1]))  # true positives, false positives, events
    for label, (own, threshold) in enumerate(zip(found, thresholds, strict=True)):
        above = own.score > threshold
        for row, deltas in enumerate((own.true_positives, own.false_positives)):
            counts[row, label] = np.bincount(own.recording[above], deltas[above], minlength=len(weights)) @ weights
        counts[2, label] = asked.events[label] @ weights
    by_label = np.where(counts[2] > 0, _f1(*counts), np.nan)
    return FScores(by_label, np.nanmean(by_label, axis=0), _f1(*counts.sum(axis=1)))


def _f1(true_positives: Array, false_positives: Array, events: Array) -> Array:
    return 2 * true_positives / np.maximum(true_positives + false_positives + events, 1)


def f_scores_by_threshold(found: Sequence[Changes], asked: Asked, weights: Array) -> Array:
    """F1 of each label at each of THRESHOLDS: (K, L, B)."""
    return np.stack([f_scores(found, asked, weights, np.full(len(found), t)).by_label for t in THRESHOLDS])


def _summed(deltas: Array, recording: NDArray[np.int64], weights: Array) -> Array:
    """The counts below each score: (N, B)."""
    return np.cumsum(deltas[:, None] * weights[recording], axis=0)


def _share(counts: Array, all_of_them: Array) -> Array:
    """Counts (N, B) as shares of (B,); no number where there are none."""
    return counts / np.where(all_of_them > 0, all_of_them, np.nan)


def _cross_trigger_rate(own: Changes, weights: Array, heard_s: Array) -> Array:
    """Cross triggers per second of each other label's events, the mean of the other labels, below each score: (N, B)."""
    row, other = own.crossed.row, own.crossed.other
    rates = np.zeros((len(own.score), weights.shape[1]))
    rate = own.crossed.change[:, None] * weights[own.recording[row]] / np.maximum(heard_s[other], 1e-12)
    np.add.at(rates, row, rate)
    return np.cumsum(rates, axis=0) / max(1, len(heard_s) - 1)


def _areas(xs: Sequence[Array], ys: Sequence[Array], limit: float) -> Areas:
    """Areas up to `limit` under the staircases through the points of each label, each (N, B) in no order."""
    by_label: list[Array] = []
    steps: list[tuple[NDArray[np.int64], Array, Array, Array]] = []  # resample, x, rise of y, rise of its square
    for x, y in zip(xs, ys, strict=True):
        order = np.argsort(x, axis=0, kind="stable")
        x, y = np.take_along_axis(x, order, 0), np.take_along_axis(y, order, 0)
        y = np.maximum.accumulate(np.maximum(y, 0), axis=0)
        rise = np.diff(y, axis=0, prepend=0.0)
        rest = limit - np.minimum(x, limit)  # how far a rise at x reaches
        by_label.append((rise * rest).sum(axis=0) / limit)
        point, resample = np.nonzero((rise > 0) & (rest > 0))
        squared = np.diff(y**2, axis=0, prepend=0.0)
        steps.append((resample, x[point, resample], rise[point, resample], squared[point, resample]))
    areas = np.stack(by_label)
    resample, x, rise, squared = (np.concatenate(part) for part in zip(*steps, strict=True))
    order = np.lexsort((x, resample))
    bounds = np.searchsorted(resample[order], np.arange(areas.shape[1] + 1))
    n_labels = np.isfinite(areas).sum(axis=0)
    stable = [
        _stable_area(x[own], rise[own] / n, squared[own] / n, limit)
        for own, n in zip(np.split(order, bounds[1:-1]), n_labels, strict=True)
    ]
    return Areas(areas, np.nanmean(areas, axis=0), np.array(stable))


def _stable_area(x: Array, rise: Array, squared: Array, limit: float) -> float:
    """Area under mean less standard deviation, from the steps of the mean and of the mean square, in order of x."""
    mean, mean_square = np.cumsum(rise), np.cumsum(squared)
    spread = np.sqrt(np.maximum(mean_square - mean**2, 0))
    return float((np.maximum(mean - spread, 0) * np.diff(x, append=limit)).sum() / limit)
