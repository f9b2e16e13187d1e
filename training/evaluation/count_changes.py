"""Changes of the numbers of true and false positives as the decision threshold falls, for all thresholds at once.

Between two successive scores of a curve, the detections stay the same whatever the threshold. The counts therefore
change only where the threshold falls below a score, and a list of (score, change of the counts) holds the counts at
every threshold. This is the method of "Threshold-Independent Evaluation of Sound Event Detection Scores" (Ebbers et
al., ICASSP 2022). The package sed_scores_eval of that paper compares the detections with the true events. Every change
keeps the index of its clip, so that bootstrap resamples can weight the clips afterwards.
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
    """Changes of the number of cross triggers: false positives of a label that lie in events of another label.

    Attributes:
        row: Index of the change of the label's counts that each entry belongs to, (M,).
        other: Index of the other label, (M,).
        change: Change of the number of cross triggers with the other label, (M,).
    """

    row: NDArray[np.int64]
    other: NDArray[np.int64]
    change: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CountChanges:
    """Changes of one label's counts, in order of falling scores.

    Attributes:
        score: A change takes effect when the threshold falls below this score, (N,).
        clip: Index of the clip that each change occurs in, (N,).
        true_positives: Change of the number of true positives, (N,).
        false_positives: Change of the number of false positives, (N,).
        cross_triggers: Changes of the number of cross triggers.
    """

    score: NDArray[np.float64]
    clip: NDArray[np.int64]
    true_positives: NDArray[np.float64]
    false_positives: NDArray[np.float64]
    cross_triggers: CrossTriggers

    def first(self, n_changes: int) -> "CountChanges":
        """The first `n_changes` changes, with the highest scores. Changes of equal score may be split."""
        triggers = self.cross_triggers
        kept = triggers.row < n_changes
        return CountChanges(
            self.score[:n_changes],
            self.clip[:n_changes],
            self.true_positives[:n_changes],
            self.false_positives[:n_changes],
            CrossTriggers(triggers.row[kept], triggers.other[kept], triggers.change[kept]),
        )

    def ends_of_ties(self) -> NDArray[np.bool_]:
        """Whether each change is the last change at its score, (N,).

        The accumulated counts are the counts at a threshold only after all changes at the same score.
        """
        return np.append(self.score[1:] != self.score[:-1], True)[: len(self.score)]


@dataclass(frozen=True, slots=True)
class Criterion:
    """The rule by which detections count as true positives.

    Attributes:
        count: A `statistics_fn` of sed_scores_eval, with its tolerances bound: the counts of detections at each
            threshold.
        with_cross_triggers: Whether the rule also counts cross triggers.
    """

    count: Callable[..., Mapping[str, Any]]
    with_cross_triggers: bool = False


def intersection_criterion(dtc: float, gtc: float, cttc: float | None = None) -> Criterion:
    """The rule of PSDS: detections and true events must overlap by minimum fractions (arXiv 1910.08440).

    Args:
        dtc: Detection tolerance criterion. A detection is a false positive unless at least this fraction of it lies in
            true events of its label.
        gtc: Ground truth intersection criterion. A true event is a true positive if at least this fraction of it is
            covered by detections that satisfy the DTC.
        cttc: Cross-trigger tolerance criterion. A false positive is a cross trigger with another label if at least this
            fraction of it lies in true events of that label. Without `cttc`, cross triggers are not counted.
    """
    count: Any = intersection_based.intermediate_statistics.statistics_fn
    return Criterion(partial(count, dtc_threshold=dtc, gtc_threshold=gtc, cttc_threshold=cttc), cttc is not None)


def collar_criterion(onset_s: float, offset_s: float, offset_ratio: float) -> Criterion:
    """The rule of event-based F1: a detection must begin and end near the onset and offset of an event (10.3390/app6060162).

    Detections and events are matched one to one.

    Args:
        onset_s: Largest accepted distance of the onsets, in seconds.
        offset_s: Largest accepted distance of the offsets, in seconds.
        offset_ratio: The accepted distance of the offsets is at least this fraction of the event's duration.
    """
    count: Any = collar_based.intermediate_statistics.statistics_fn
    return Criterion(partial(count, onset_collar=onset_s, offset_collar=offset_s, offset_collar_rate=offset_ratio))


def count_changes(
    queries: ScoredQueries, criterion: Criterion, score_floors: NDArray[np.float64]
) -> Iterator[CountChanges]:
    """Yields the count changes of one label after the other, since all labels at once would not fit into memory.

    Args:
        queries: Score curves and true events.
        criterion: The rule by which detections count as true positives.
        score_floors: The floor of each label, (L,). Scores below the floor are raised to the floor. The counts at
            thresholds above the floor stay the same, and no changes are listed below the floor.
    """
    for label_queries, score_floor in zip(queries.by_label, score_floors, strict=True):
        yield _merged([_changes_of_query(query, criterion, score_floor) for query in label_queries])


def _changes_of_query(query: ScoredQuery, criterion: Criterion, score_floor: float) -> CountChanges:
    curve = np.maximum(query.curve.astype(np.float64), score_floor)
    scores, counts, other_labels = counts_of_query(query, curve, criterion)
    deltas = np.diff(counts, prepend=0.0)  # (2 + other labels, S)
    changed = deltas.any(axis=0) & (scores > 0)  # no threshold is below 0
    deltas = deltas[:, changed]
    other, row = np.nonzero(deltas[2:])
    return CountChanges(
        score=scores[changed],
        clip=np.full(deltas.shape[1], query.clip),
        true_positives=deltas[0],
        false_positives=deltas[1],
        cross_triggers=CrossTriggers(row, np.asarray(other_labels, dtype=np.int64)[other], deltas[2 + other, row]),
    )


def counts_of_query(
    query: ScoredQuery, curve: NDArray[np.float64], criterion: Criterion
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Counts of the detections in a curve (T,) at thresholds just below each of its scores.

    Returns:
        The distinct scores in falling order, (S,); the counts at each score, (2 + other labels, S), which are true
        positives, false positives, and the cross triggers with each other label; and the indices of these other labels.
    """
    other_events = query.other_events if criterion.with_cross_triggers else {}
    if not len(query.target_events[0]) and not other_events:
        return _counts_without_events(curve)
    scores, onsets_s, offsets_s = onset_offset_curves(curve, query.edges_s, None)
    statistics = criterion.count(
        onsets_s,
        offsets_s,
        *query.target_events,
        {label: onsets for label, (onsets, _) in other_events.items()},
        {label: offsets for label, (_, offsets) in other_events.items()},
    )
    cross_triggers = statistics["cts"] if criterion.with_cross_triggers else {}
    counts = np.stack([statistics["tps"], statistics["fps"], *cross_triggers.values()]).astype(np.float64)
    return scores[::-1], counts[:, ::-1], list(cross_triggers)


def _counts_without_events(
    curve: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Equals `counts_of_query` for a clip without true events, where every detection is a false positive, but is faster.

    The number of detections rises by one at each local maximum of the curve and falls by one at each local minimum.
    """
    if curve.min() == curve.max():
        return curve[:1], np.array([[0.0], [1.0]]), []
    order = np.argsort(-curve, kind="stable")
    false_positives = np.cumsum(np.asarray(onset_deltas(curve), dtype=np.float64)[order])
    last_of_score = np.append(np.diff(curve[order]) != 0, True)
    counts = np.stack([np.zeros(last_of_score.sum()), false_positives[last_of_score]])
    return curve[order][last_of_score], counts, []


def _merged(parts: list[CountChanges]) -> CountChanges:
    """The changes of one label in all clips, sorted by falling score. Equal scores keep the order of the parts."""
    score = np.concatenate([part.score for part in parts])
    order = np.argsort(-score, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    begins = np.cumsum([0, *(len(part.score) for part in parts)])
    rows = [part.cross_triggers.row + begin for part, begin in zip(parts, begins, strict=False)]
    return CountChanges(
        score=score[order],
        clip=np.concatenate([part.clip for part in parts])[order],
        true_positives=np.concatenate([part.true_positives for part in parts])[order],
        false_positives=np.concatenate([part.false_positives for part in parts])[order],
        cross_triggers=CrossTriggers(
            place[np.concatenate(rows)],
            np.concatenate([part.cross_triggers.other for part in parts]),
            np.concatenate([part.cross_triggers.change for part in parts]),
        ),
    )


def slice_count_changes(queries: ScoredQueries, slice_s: float) -> Iterator[CountChanges]:
    """Yields the count changes of one label after the other where each time slice is classified as a whole.

    This is the field's segment-based evaluation: a slice whose highest score exceeds the threshold is a true positive
    if a true event overlaps the slice, and a false positive otherwise.
    """
    for label_queries in queries.by_label:
        yield _merged([_changes_of_slices(query, slice_s) for query in label_queries])


def _changes_of_slices(query: ScoredQuery, slice_s: float) -> CountChanges:
    score, positive = slice_scores(query, slice_s)
    no_indices = np.empty(0, dtype=np.int64)
    return CountChanges(
        score=score,
        clip=np.full(len(score), query.clip),
        true_positives=positive.astype(np.float64),
        false_positives=(~positive).astype(np.float64),
        cross_triggers=CrossTriggers(no_indices, no_indices, np.empty(0)),
    )


def slice_scores(query: ScoredQuery, slice_s: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The highest score in each time slice of a clip, (S,), and whether a true event overlaps the slice, (S,).

    Slice i covers [i * slice_s, (i + 1) * slice_s); the last slice may be shorter.
    """
    begin = np.round(np.arange(np.ceil(round(query.edges_s[-1] / slice_s, 6))) * slice_s, 6)
    end = begin + slice_s
    edges = np.round(query.edges_s, 6)
    first = np.searchsorted(edges, begin, "right") - 1
    after = np.minimum(np.searchsorted(edges, end, "left"), len(query.curve))
    between = np.stack([first, after], axis=1).ravel()
    # an index of reduceat must be below the length, so an entry is appended for the index after the last score
    score = np.maximum.reduceat(np.append(query.curve, -np.inf), between)[::2]
    onsets, offsets = query.target_events
    return score, np.any((begin[:, None] < offsets) & (end[:, None] > onsets), axis=1)
