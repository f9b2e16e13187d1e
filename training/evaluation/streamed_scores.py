"""PSDS1 and partial AUROC of many clips and labels, from the scores of one clip after another.

AudioSet Strong has 17,000 clips and 407 labels: 1.7 thousand million scores, 7 GB. The scores are written to a file and read
back once, one clip at a time. In memory there are only the highest score of each time slice, and the changes of the counts
above a floor. At lower scores than the floor of a label, the label has more false positives than PSDS counts, whatever the
threshold (see `score_floors`), so nothing is lost.

Letters of shapes: L labels, C clips, T frames, S time slices.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from training.evaluation.count_changes import CountChanges, Criterion, CrossTriggers, counts_of_query
from training.evaluation.curves import Areas, partial_auroc, psds
from training.evaluation.metrics import MAX_FP_PER_HOUR, MAX_FPR, PSDS1, SLICE_S
from training.evaluation.scored_queries import EventTimes, ScoredQuery

Scores = NDArray[np.float32]
NO_CROSS_TRIGGERS = CrossTriggers(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class StreamedTotals:
    """Totals of the set, as PSDS needs them, (L, C) each."""

    n_events: NDArray[np.float64]
    event_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class StreamedFigures:
    """The figures of the set.

    Attributes:
        psds1: PSDS1; `mean` is PSDS1 with alpha_st = 0 and `mean_minus_std` with alpha_st = 1.
        partial_auroc: Partial AUROC of 1 s slices up to a false positive rate of 0.1.
    """

    psds1: Areas
    partial_auroc: Areas


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """What is kept of a clip in memory."""

    edges_s: NDArray[np.float64]
    events: Mapping[int, EventTimes]
    maxima: Scores
    slices: Scores
    n_bytes: int


@dataclass(slots=True)
class StreamedScores:
    """Collects the scores of clips, then computes their figures.

    Attributes:
        n_labels: L, the number of labels, each of which is searched for in every clip.
        spool: A file that is open for writing and reading, and takes the scores.
    """

    n_labels: int
    spool: BinaryIO
    _clips: list[_Clip] = field(default_factory=list)

    def add(self, scores: Scores, edges_s: NDArray[np.float64], events: Mapping[int, EventTimes]) -> None:
        """Adds a clip.

        Args:
            scores: Scores of each label, of any range, (L, T).
            edges_s: Boundaries of the frames in seconds, (T + 1,).
            events: True events of each label that has any, disjoint and in order of time.

        Raises:
            ValueError: The scores have another shape, or are not finite.
        """
        if scores.shape != (self.n_labels, len(edges_s) - 1) or not np.isfinite(scores).all():
            raise ValueError(f"finite scores {(self.n_labels, len(edges_s) - 1)} are accepted, not {scores.shape}")
        data = np.ascontiguousarray(scores, np.float32)
        first, between = _slices(edges_s, SLICE_S)
        padded = np.pad(data, ((0, 0), (0, 1)), constant_values=-np.inf)
        slices = np.maximum.reduceat(padded, between, axis=1)[:, ::2]  # (L, S)
        self.spool.write(data.tobytes())
        known = self._clips[-1].edges_s if self._clips else None
        shared = known if known is not None and np.array_equal(known, edges_s) else edges_s
        self._clips.append(_Clip(shared, dict(events), data.max(axis=1), slices[:, : len(first)], data.nbytes))

    @property
    def n_clips(self) -> int:
        """C, the number of clips that were added."""
        return len(self._clips)

    @property
    def has_events(self) -> bool:
        """Whether a clip has a true event."""
        return any(clip.events for clip in self._clips)

    def figures(self, weights: NDArray[np.float64] | None = None) -> StreamedFigures:
        """Computes the figures.

        Args:
            weights: Number of times that each clip counts in each resample, (C, B); by default every clip counts once.

        Raises:
            ValueError: No clip was added.
        """
        if not self._clips:
            raise ValueError("there are no clips; at least one clip is needed")
        once = np.ones((len(self._clips), 1)) if weights is None else weights
        totals = self._totals()
        floors = self._floors(float(totals.duration_s[0].sum()), factor=1.0 if weights is None else 2.0)
        areas = psds(self._changes(floors), totals, once, alpha_ct=0.0, max_fp_per_hour=MAX_FP_PER_HOUR)
        return StreamedFigures(areas, partial_auroc(self._slice_changes(), once, MAX_FPR))

    def _totals(self) -> StreamedTotals:
        shape = self.n_labels, len(self._clips)
        n_events, event_s = np.zeros(shape), np.zeros(shape)
        for index, clip in enumerate(self._clips):
            for label, (onsets, offsets) in clip.events.items():
                n_events[label, index], event_s[label, index] = len(onsets), (offsets - onsets).sum()
        durations_s = np.array([clip.edges_s[-1] for clip in self._clips])
        return StreamedTotals(n_events, event_s, np.broadcast_to(durations_s, shape))

    def _floors(self, duration_s: float, factor: float) -> NDArray[np.float64]:
        """The floor of each label, (L,): more clips without the label have a score at or above it than PSDS accepts."""
        n = math.floor(factor * MAX_FP_PER_HOUR * duration_s / 3600) + (0 if factor == 1 else 30)
        maxima = np.stack([clip.maxima for clip in self._clips])  # (C, L)
        for index, clip in enumerate(self._clips):
            maxima[index, list(clip.events)] = -np.inf
        if n >= len(maxima):
            return np.full(self.n_labels, -np.inf)
        place = len(maxima) - 1 - n
        return np.partition(maxima, place, axis=0)[place].astype(np.float64)

    def _stored(self) -> Iterator[tuple[int, _Clip, Scores]]:
        """Yields each clip with its scores."""
        self.spool.flush()
        self.spool.seek(0)
        for index, clip in enumerate(self._clips):
            data = self.spool.read(clip.n_bytes)
            yield index, clip, np.frombuffer(data, np.float32).reshape(self.n_labels, -1)

    def _changes(self, floors: NDArray[np.float64]) -> Iterator[CountChanges]:
        """Yields the count changes of one label after the other, above the floor of the label."""
        absent: list[NDArray[np.void]] = []
        present: list[list[CountChanges]] = [[] for _ in range(self.n_labels)]
        for index, clip, scores in self._stored():
            absent.append(_absent_changes(scores, index, floors, np.array(list(clip.events), np.int64)))
            for label in clip.events:
                query = ScoredQuery(index, label, scores[label], clip.edges_s, clip.events)
                present[label].append(_present_changes(query, PSDS1, floors[label]))
        rows = np.concatenate(absent)
        rows = rows[np.argsort(rows["label"], kind="stable")]
        bounds = np.searchsorted(rows["label"], np.arange(self.n_labels + 1))
        for label in range(self.n_labels):
            yield _joined(rows[bounds[label] : bounds[label + 1]], present[label])

    def _slice_changes(self) -> Iterator[CountChanges]:
        """Yields the count changes of the time slices of one label after the other."""
        clip = np.repeat(np.arange(len(self._clips)), [c.slices.shape[1] for c in self._clips])
        starts = np.cumsum([0, *(c.slices.shape[1] for c in self._clips)])
        positives: list[list[NDArray[np.int64]]] = [[] for _ in range(self.n_labels)]
        for start, kept in zip(starts, self._clips, strict=False):
            begin, _ = _slices(kept.edges_s, SLICE_S)
            for label, (onsets, offsets) in kept.events.items():
                overlaps = np.any((begin[:, None] < offsets) & (begin[:, None] + SLICE_S > onsets), axis=1)
                positives[label].append(start + np.flatnonzero(overlaps))
        for label in range(self.n_labels):
            score = np.concatenate([kept.slices[label] for kept in self._clips])
            positive = np.zeros(len(score))
            positive[np.concatenate([*positives[label], np.empty(0, np.int64)])] = 1.0
            order = np.argsort(-score, kind="stable")
            yield CountChanges(
                score[order].astype(np.float64), clip[order], positive[order], 1.0 - positive[order], NO_CROSS_TRIGGERS
            )


ABSENT_ROW = np.dtype([("label", np.int16), ("clip", np.int32), ("score", np.float32), ("change", np.int8)])


def _absent_changes(
    scores: Scores, clip: int, floors: NDArray[np.float64], present: NDArray[np.int64]
) -> NDArray[np.void]:
    """Changes of the false positives of the labels without an event in a clip, as rows of ABSENT_ROW.

    Every run of frames above the threshold is a false positive. The number of runs is the number of frames above the
    threshold minus the number of pairs of neighbouring frames above it. A pair is above the threshold as long as its lower
    frame is. So the count rises by one at the score of a local maximum and falls by one at the score of a local minimum.
    """
    change = np.ones(scores.shape, np.int8)
    right_is_lower = scores[:, 1:] <= scores[:, :-1]
    change[:, 1:] -= right_is_lower
    change[:, :-1] -= ~right_is_lower
    listed = (change != 0) & (scores > floors[:, None])
    listed[present] = False
    label, frame = np.nonzero(listed)
    rows = np.empty(len(label), ABSENT_ROW)
    rows["label"], rows["clip"] = label, clip
    rows["score"], rows["change"] = scores[label, frame], change[label, frame]
    return rows


def _present_changes(query: ScoredQuery, criterion: Criterion, score_floor: float) -> CountChanges:
    """Changes of the counts of a label with events in a clip, above a floor."""
    curve = np.maximum(query.curve.astype(np.float64), score_floor)
    scores, counts, _ = counts_of_query(query, curve, criterion)
    deltas = np.diff(counts, prepend=0.0)
    changed = deltas.any(axis=0) & (scores > score_floor)
    deltas = deltas[:, changed]
    clips = np.full(deltas.shape[1], query.clip)
    return CountChanges(scores[changed], clips, deltas[0], deltas[1], NO_CROSS_TRIGGERS)


def _joined(absent: NDArray[np.void], present: Sequence[CountChanges]) -> CountChanges:
    """The changes of one label, sorted by falling score."""
    score = np.concatenate([absent["score"].astype(np.float64), *(c.score for c in present)])
    order = np.argsort(-score, kind="stable")
    return CountChanges(
        score[order],
        np.concatenate([absent["clip"].astype(np.int64), *(c.clip for c in present)])[order],
        np.concatenate([np.zeros(len(absent)), *(c.true_positives for c in present)])[order],
        np.concatenate([absent["change"].astype(np.float64), *(c.false_positives for c in present)])[order],
        NO_CROSS_TRIGGERS,
    )


def _slices(edges_s: NDArray[np.float64], slice_s: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Starts of the time slices, (S,), and the indices for `reduceat` between which their frames lie, (2 S,)."""
    begin = np.round(np.arange(np.ceil(round(edges_s[-1] / slice_s, 6))) * slice_s, 6)
    edges = np.round(edges_s, 6)
    first = np.searchsorted(edges, begin, "right") - 1
    after = np.minimum(np.searchsorted(edges, begin + slice_s, "left"), len(edges_s) - 1)
    return begin, np.stack([first, after], axis=1).ravel()
