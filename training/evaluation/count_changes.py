"""What changes in the counts of a label when the threshold falls below a score, for every threshold at once.

The method of "Threshold-Independent Evaluation of Sound Event Detection Scores" (Ebbers et al., ICASSP 2022) with the parts of
its sed_scores_eval that compare detections with the truth. Kept by recording, so that recordings can be drawn again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sed_scores_eval import collar_based, intersection_based
from sed_scores_eval.base_modules.cy_detection import onset_offset_curves
from sed_scores_eval.base_modules.detection import onset_deltas

from training.evaluation.scored_queries import ScoredQueries, ScoredQuery


@dataclass(frozen=True, slots=True, eq=False)
class CrossTriggers:
    """Detections of a label that lie in events of others.

    Attributes:
        row: Index among the changes of the label: (M,).
        other: Index of the other label: (M,).
        change: By how much their count changes: (M,).
    """

    row: NDArray[np.int64]
    other: NDArray[np.int64]
    change: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CountChanges:
    """The changes of one label, from the highest score down.

    Attributes:
        score: The threshold must fall below it: (N,).
        recording: Where the change is: (N,).
        true_positives: By how much their count changes: (N,).
        false_positives: By how much their count changes: (N,).
        crossed: Cross triggers.
    """

    score: NDArray[np.float64]
    recording: NDArray[np.int64]
    true_positives: NDArray[np.float64]
    false_positives: NDArray[np.float64]
    crossed: CrossTriggers

    def first(self, n_changes: int) -> "CountChanges":
        """Those with the highest scores, so many of them; of equal scores, some may be among them."""
        own = self.crossed.row < n_changes
        return CountChanges(
            self.score[:n_changes],
            self.recording[:n_changes],
            self.true_positives[:n_changes],
            self.false_positives[:n_changes],
            CrossTriggers(self.crossed.row[own], self.crossed.other[own], self.crossed.change[own]),
        )

    def counted(self) -> NDArray[np.bool_]:
        """CountChanges below which the score is another, so that there is a threshold just there: (N,)."""
        return np.append(self.score[1:] != self.score[:-1], True)[: len(self.score)]


@dataclass(frozen=True, slots=True)
class Criterion:
    """What makes a detection right; `crosses` tells whether events of other labels count too."""

    count: Callable[..., Mapping[str, Any]]
    crosses: bool = False


def intersection_criterion(dtc: float, gtc: float, cttc: float | None = None) -> Criterion:
    """Detections and events that lie in one another to at least these shares (arXiv 1910.08440)."""
    count: Any = intersection_based.intermediate_statistics.statistics_fn
    return Criterion(partial(count, dtc_threshold=dtc, gtc_threshold=gtc, cttc_threshold=cttc), cttc is not None)


def collar_criterion(onset_s: float, offset_s: float, offset_share: float) -> Criterion:
    """Detections whose ends are near those of an event, matched one to one (10.3390/app6060162)."""
    count: Any = collar_based.intermediate_statistics.statistics_fn
    return Criterion(partial(count, onset_collar=onset_s, offset_collar=offset_s, offset_collar_rate=offset_share))


def count_changes(asked: ScoredQueries, criterion: Criterion, floors: NDArray[np.float64]) -> Iterator[CountChanges]:
    """The changes of one label after another: all of them at once would not fit.

    Scores below the floor of their label (L,) are as high as it: thresholds above it find what they found.
    """
    for own, floor in zip(asked.by_label, floors, strict=True):
        yield _joined([_of_pair(pair, criterion, floor) for pair in own])


def _of_pair(pair: ScoredQuery, criterion: Criterion, floor: float) -> CountChanges:
    scores, counts, others = _counts(pair, np.maximum(pair.curve.astype(np.float64), floor), criterion)
    deltas = np.diff(counts, prepend=0.0)  # (2 + others, S)
    changed = deltas.any(axis=0) & (scores > 0)  # no threshold is below 0
    deltas = deltas[:, changed]
    which, row = np.nonzero(deltas[2:])
    return CountChanges(
        score=scores[changed],
        recording=np.full(deltas.shape[1], pair.recording),
        true_positives=deltas[0],
        false_positives=deltas[1],
        crossed=CrossTriggers(row, np.asarray(others, dtype=np.int64)[which], deltas[2 + which, row]),
    )


def _counts(
    pair: ScoredQuery, curve: NDArray[np.float64], criterion: Criterion
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Scores (S,), falling; the counts below each, (2 + others, S): true positives, false ones, cross triggers with others."""
    others = pair.others if criterion.crosses else {}
    if not len(pair.target[0]) and not others:
        return _detections(curve)
    scores, onsets_s, offsets_s = onset_offset_curves(curve, pair.edges_s, None)
    found = criterion.count(
        onsets_s,
        offsets_s,
        *pair.target,
        {label: onsets for label, (onsets, _) in others.items()},
        {label: offsets for label, (_, offsets) in others.items()},
    )
    crossed = found["cts"] if criterion.crosses else {}
    counts = np.stack([found["tps"], found["fps"], *crossed.values()]).astype(np.float64)
    return scores[::-1], counts[:, ::-1], list(crossed)


def _detections(curve: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """The counts where all detections are false."""
    if curve.min() == curve.max():
        return curve[:1], np.array([[0.0], [1.0]]), []
    order = np.argsort(-curve, kind="stable")
    false_positives = np.cumsum(np.asarray(onset_deltas(curve), dtype=np.float64)[order])
    last = np.append(np.diff(curve[order]) != 0, True)
    return curve[order][last], np.stack([np.zeros(last.sum()), false_positives[last]]), []


def _joined(parts: list[CountChanges]) -> CountChanges:
    """The changes of all recordings in one order."""
    score = np.concatenate([part.score for part in parts])
    order = np.argsort(-score, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    first = np.cumsum([0, *(len(part.score) for part in parts)])
    rows = [part.crossed.row + begin for part, begin in zip(parts, first, strict=False)]
    return CountChanges(
        score=score[order],
        recording=np.concatenate([part.recording for part in parts])[order],
        true_positives=np.concatenate([part.true_positives for part in parts])[order],
        false_positives=np.concatenate([part.false_positives for part in parts])[order],
        crossed=CrossTriggers(
            place[np.concatenate(rows)],
            np.concatenate([part.crossed.other for part in parts]),
            np.concatenate([part.crossed.change for part in parts]),
        ),
    )


def segment_changes(asked: ScoredQueries, segment_s: float) -> Iterator[CountChanges]:
    """The same where recordings are cut into segments, each of which is right or wrong as a whole.

    A segment's score is the highest in it, and it is positive where any event reaches into it.
    """
    for own in asked.by_label:
        yield _joined([_of_segments(pair, segment_s) for pair in own])


def _of_segments(pair: ScoredQuery, segment_s: float) -> CountChanges:
    score, positive = segments(pair, segment_s)
    none = np.empty(0, dtype=np.int64)
    return CountChanges(
        score=score,
        recording=np.full(len(score), pair.recording),
        true_positives=positive.astype(np.float64),
        false_positives=(~positive).astype(np.float64),
        crossed=CrossTriggers(none, none, np.empty(0)),
    )


def segments(pair: ScoredQuery, segment_s: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The highest score in each segment, and whether an event reaches into it, (S,)."""
    begin = np.round(np.arange(np.ceil(round(pair.edges_s[-1] / segment_s, 6))) * segment_s, 6)
    end = begin + segment_s
    edges = np.round(pair.edges_s, 6)
    first = np.searchsorted(edges, begin, "right") - 1
    after = np.minimum(np.searchsorted(edges, end, "left"), len(pair.curve))
    between = np.stack([first, after], axis=1).ravel()
    score = np.maximum.reduceat(np.append(pair.curve, -np.inf), between)[::2]  # each index must be that of an entry
    onsets, offsets = pair.target
    return score, np.any((begin[:, None] < offsets) & (end[:, None] > onsets), axis=1)
