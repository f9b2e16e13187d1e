"""What was asked of which recording, what came back, and what is true: the material of every figure of merit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

EventTimes = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Onsets (E,) and offsets (E,) of disjoint events in order of time, in seconds."""
NO_EVENTS: EventTimes = (np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class ScoredQuery:
    """One label asked of one recording.

    Attributes:
        recording: Index of the recording, which is what bootstrapping draws.
        label: Index of the label.
        curve: Scores (T,).
        edges_s: Boundaries of the frames (T + 1,), from 0 to the end of the recording.
        events: What is heard in the recording, by index of the label.
    """

    recording: int
    label: int
    curve: NDArray[np.floating]
    edges_s: NDArray[np.float64]
    events: Mapping[int, EventTimes]

    @property
    def target(self) -> EventTimes:
        """Where the label that is asked for is heard."""
        return self.events.get(self.label, NO_EVENTS)

    @property
    def others(self) -> dict[int, EventTimes]:
        """Where other labels are heard."""
        return {label: spans for label, spans in self.events.items() if label != self.label}

    def truth(self) -> NDArray[np.bool_]:
        """Frames whose centre lies in an event of the label: (T,)."""
        return frames_in_events(self.target, self.edges_s)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredQueries:
    """All pairs, with what of each label there is to be found in each recording.

    Attributes:
        labels: Their names; a single one where each pair has a query of its own.
        pairs: What was asked.
        events: How many events of each label its pairs hold: (L, R).
        heard_s: How long they last: (L, R).
        duration_s: How long the recordings last that were asked for each label: (L, R).
        by_label: The pairs of each label.
    """

    labels: tuple[str, ...]
    queries: tuple[ScoredQuery, ...]
    n_clips: int
    events: NDArray[np.float64] = field(init=False)
    heard_s: NDArray[np.float64] = field(init=False)
    duration_s: NDArray[np.float64] = field(init=False)
    by_label: tuple[tuple[ScoredQuery, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        shape = len(self.labels), self.n_clips
        events, heard_s, duration_s = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        by_label: list[list[ScoredQuery]] = [[] for _ in self.labels]
        for pair in self.queries:
            by_label[pair.label].append(pair)
            onsets, offsets = pair.target
            events[pair.label, pair.recording] += len(onsets)
            heard_s[pair.label, pair.recording] += (offsets - onsets).sum()
            duration_s[pair.label, pair.recording] += pair.edges_s[-1]
        for name, value in (("events", events), ("heard_s", heard_s), ("duration_s", duration_s)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "by_label", tuple(map(tuple, by_label)))

    def pooled(self) -> "ScoredQueries":
        """The same with all labels as one, each asked only where it is heard."""
        heard = [replace(pair, label=0, events={0: pair.target}) for pair in self.queries if len(pair.target[0])]
        return ScoredQueries(("all",), tuple(heard), self.n_clips)


def merged_events(events: Iterable[tuple[float, float]]) -> EventTimes:
    """Events as onsets and offsets; overlapping and touching ones are one.

    >>> [list(map(float, side)) for side in merged_events([(2, 3), (0, 1), (1, 1.5)])]
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
    """Frames, given by their boundaries (T + 1,), whose centre lies in an event: (T,)."""
    centres = (edges_s[1:] + edges_s[:-1])[:, None] / 2
    onsets, offsets = events
    return np.any((centres >= onsets) & (centres < offsets), axis=1)


def bootstrap_weights(n_clips: int, n_resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each recording counts: (R, 1 + B); once in column 0, and as it was drawn with replacement in the others."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_clips, np.full(n_clips, 1 / n_clips), size=n_resamples)
    return np.concatenate([np.ones((1, n_clips)), drawn.astype(np.float64)]).T


def events_by_label(
    labels: Sequence[str], events: Iterable[tuple[str, float, float]], duration_s: float
) -> dict[int, EventTimes]:
    """Events of the labels that are asked for, cut to their recording, by index of the label."""
    by_label: dict[int, list[tuple[float, float]]] = {}
    index = {label: i for i, label in enumerate(labels)}
    for label, onset_s, offset_s in events:
        if label in index and onset_s < duration_s:
            by_label.setdefault(index[label], []).append((onset_s, min(offset_s, duration_s)))
    return {label: merged_events(own) for label, own in by_label.items()}
