"""Score curves of queries with the true events beside them: the input of every localization figure.

Letters of shapes in this package: L labels, C clips, B bootstrap resamples, T frames, E events, Q queries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

EventTimes = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Onsets (E,) and offsets (E,) of disjoint events in order of time, in seconds."""
NO_EVENTS: EventTimes = (np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class ScoredQuery:
    """The score curve of one label's query in one clip, and the true events of that clip.

    Attributes:
        clip: Index of the clip in its evaluation set. Bootstrap resamples draw clips.
        label: Index of the label that the query stands for.
        curve: Scores (T,).
        edges_s: Boundaries of the frames (T + 1,), from 0 to the end of the clip, in seconds.
        events: True events of all labels in the clip, by index of the label.
    """

    clip: int
    label: int
    curve: NDArray[np.floating]
    edges_s: NDArray[np.float64]
    events: Mapping[int, EventTimes]

    @property
    def target_events(self) -> EventTimes:
        """True events of the query's label."""
        return self.events.get(self.label, NO_EVENTS)

    @property
    def other_events(self) -> dict[int, EventTimes]:
        """True events of all other labels, by index of the label."""
        return {label: times for label, times in self.events.items() if label != self.label}

    def truth(self) -> NDArray[np.bool_]:
        """Whether each frame's centre lies in a true event of the query's label: (T,)."""
        return frames_in_events(self.target_events, self.edges_s)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredQueries:
    """All scored queries of one pass over an evaluation set, with totals of each label in each clip.

    Attributes:
        labels: Names of the labels, (L,). Pooled queries share a single label.
        queries: The scored queries.
        n_clips: Number of clips in the evaluation set, C.
        n_events: Number of true events, (L, C).
        event_s: Total duration of the true events in seconds, (L, C).
        duration_s: Duration of the clips in which each label was searched for, in seconds, (L, C). A clip counts once for
            each query of the label that was searched for in it.
        by_label: The scored queries of each label.
    """

    labels: tuple[str, ...]
    queries: tuple[ScoredQuery, ...]
    n_clips: int
    n_events: NDArray[np.float64] = field(init=False)
    event_s: NDArray[np.float64] = field(init=False)
    duration_s: NDArray[np.float64] = field(init=False)
    by_label: tuple[tuple[ScoredQuery, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        shape = len(self.labels), self.n_clips
        n_events, event_s, duration_s = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        by_label: list[list[ScoredQuery]] = [[] for _ in self.labels]
        for query in self.queries:
            by_label[query.label].append(query)
            onsets, offsets = query.target_events
            n_events[query.label, query.clip] += len(onsets)
            event_s[query.label, query.clip] += (offsets - onsets).sum()
            duration_s[query.label, query.clip] += query.edges_s[-1]
        for name, value in (("n_events", n_events), ("event_s", event_s), ("duration_s", duration_s)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "by_label", tuple(map(tuple, by_label)))

    def pooled(self) -> "ScoredQueries":
        """The queries whose label has a true event in the clip, counted together as a single label."""
        present = [
            replace(query, label=0, events={0: query.target_events})
            for query in self.queries
            if len(query.target_events[0])
        ]
        return ScoredQueries(("all",), tuple(present), self.n_clips)


def merged_events(events: Iterable[tuple[float, float]]) -> EventTimes:
    """Onsets and offsets of events, with overlapping and touching events merged.

    >>> [list(map(float, times)) for times in merged_events([(2, 3), (0, 1), (1, 1.5)])]
    [[0.0, 2.0], [1.5, 3.0]]
    """
    onsets: list[float] = []
    offsets: list[float] = []
    for onset_s, offset_s in sorted(events):
        if offsets and onset_s <= offsets[-1]:
            offsets[-1] = max(offsets[-1], offset_s)
        else:
            onsets.append(onset_s)
            offsets.append(offset_s)
    return np.array(onsets, dtype=np.float64), np.array(offsets, dtype=np.float64)


def frames_in_events(events: EventTimes, edges_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the centre of each frame lies in an event: (T,), from the frames' boundaries (T + 1,)."""
    centres = (edges_s[1:] + edges_s[:-1])[:, None] / 2
    onsets, offsets = events
    return np.any((centres >= onsets) & (centres < offsets), axis=1)


def bootstrap_weights(n_clips: int, n_resamples: int, seed: int) -> NDArray[np.float64]:
    """Number of times that each clip counts in each bootstrap resample: (C, 1 + n_resamples).

    Column 0 is the evaluation set itself: each clip counts once. Each other column is a resample: `n_clips` clips drawn
    with replacement.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_clips, np.full(n_clips, 1 / n_clips), size=n_resamples)
    return np.concatenate([np.ones((1, n_clips)), drawn.astype(np.float64)]).T


def events_by_label(
    labels: Sequence[str], events: Iterable[tuple[str, float, float]], duration_s: float
) -> dict[int, EventTimes]:
    """The merged events of each label, by the index of the label in `labels`.

    Args:
        labels: Labels to keep; events of other labels are dropped.
        events: (label, onset_s, offset_s) of each event.
        duration_s: Duration of the clip. Events are cut at its end; later events are dropped.
    """
    times_by_label: dict[int, list[tuple[float, float]]] = {}
    index = {label: i for i, label in enumerate(labels)}
    for label, onset_s, offset_s in events:
        if label in index and onset_s < duration_s:
            times_by_label.setdefault(index[label], []).append((onset_s, min(offset_s, duration_s)))
    return {label: merged_events(times) for label, times in times_by_label.items()}
