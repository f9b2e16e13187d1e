"""The fraction of events whose edges are right, by the duration of the event: at some threshold, or at a fraction of the peak.

Edges are right within 30 %, as in PSDS1: at least the fraction OVERLAP of a detection lies in events of its label, and
detections of this kind cover at least the fraction OVERLAP of the event.
"""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from training.evaluation.scored_queries import EventTimes, ScoredQueries, ScoredQuery
from training.synthesis.truth import runs

OVERLAP = 0.7
"""Smallest accepted fraction of a detection inside events, and of an event inside detections, as in PSDS1."""
DURATIONS_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Boundaries between the groups of event durations, in seconds."""
FRACTIONS_OF_PEAK = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
"""Fractions of the peak of an event at which its segment is cut."""
ALL_EVENTS = "all"


def edges_by_duration(queries: ScoredQueries) -> dict[str, float]:
    """Fraction of the events that have right edges at some threshold (see `has_right_edges`), by duration of the event."""
    return _means((query.target_events, has_right_edges(query)) for query in queries.queries)


def has_right_edges(query: ScoredQuery) -> NDArray[np.bool_]:
    """Whether each event has right edges at some threshold, (E,).

    A detection is accepted if at least the fraction OVERLAP of it lies in events of the label. An event has right edges if
    accepted detections cover at least the fraction OVERLAP of the event.
    """
    onsets, offsets = query.target_events
    right = np.zeros(len(onsets), dtype=bool)
    for threshold in np.unique(query.curve) if len(onsets) else ():
        bounds = runs(query.curve >= threshold)
        starts, ends = query.edges_s[[start for start, _ in bounds]], query.edges_s[[end for _, end in bounds]]
        overlap_s = np.minimum(ends[:, None], offsets) - np.maximum(starts[:, None], onsets)  # (detections, E)
        overlap_s = overlap_s.clip(min=0.0)
        accepted = overlap_s.sum(axis=1) >= OVERLAP * (ends - starts)
        right |= overlap_s[accepted].sum(axis=0) >= OVERLAP * (offsets - onsets)
    return right


def edges_by_fraction_of_peak(queries: ScoredQueries) -> dict[str, dict[str, float]]:
    """Fraction of the events with right edges if each event is cut at a level of its own, by duration of the event.

    The segment of an event is the run of frames around the highest frame of the event. The keys are FRACTIONS_OF_PEAK: the
    run is above this fraction of the peak. `best` is the best level of each event, which only the truth knows: no rule that
    chooses a level for each peak can be better.

    Args:
        queries: Scored queries whose curves are smoothed and not extended.
    """
    names = [f"{fraction:g}" for fraction in FRACTIONS_OF_PEAK]
    right = [(query.target_events, _right_by_fraction(query)) for query in queries.queries]
    return {
        name: _means((events, of_query[:, column]) for events, of_query in right)
        for column, name in enumerate([*names, "best"])
    }


def _right_by_fraction(query: ScoredQuery) -> NDArray[np.bool_]:
    """Whether each event is right at each of FRACTIONS_OF_PEAK, and at the best level: (E, fractions + 1)."""
    curve, events = query.curve.astype(np.float64), query.target_events
    right = np.zeros((len(events[0]), len(FRACTIONS_OF_PEAK) + 1), dtype=bool)
    for event, (onset_s, offset_s) in enumerate(zip(*events, strict=True)):
        first = int(np.searchsorted(query.edges_s[1:], onset_s, "right"))
        end = int(np.searchsorted(query.edges_s[:-1], offset_s, "left"))
        if first >= end:
            continue
        peak = first + int(curve[first:end].argmax())
        below_peak = np.unique(curve[curve < curve[peak]])
        levels = np.concatenate([curve[peak] * np.array(FRACTIONS_OF_PEAK), below_peak, [-1.0]])
        bounds = _runs_around(curve, peak, levels)
        is_right = [_is_right(query.edges_s[a], query.edges_s[b], events, event) for a, b in bounds]
        right[event, :-1] = is_right[: len(FRACTIONS_OF_PEAK)]
        right[event, -1] = any(is_right)
    return right


def _runs_around(curve: NDArray[np.float64], peak: int, levels: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """First frame, and the frame after the last, of the run of frames above each level that holds the frame `peak`."""
    for level in levels:
        below = np.flatnonzero(curve <= level)
        after = int(np.searchsorted(below, peak))  # the peak itself is above every level, unless the curve is 0
        yield (
            int(below[after - 1]) + 1 if after else 0,
            max(int(below[after]), peak + 1) if after < len(below) else len(curve),
        )


def _is_right(start_s: float, end_s: float, events: EventTimes, event: int) -> bool:
    onsets, offsets = events
    overlap_s = (np.minimum(end_s, offsets) - np.maximum(start_s, onsets)).clip(min=0.0)  # (E,)
    covers = overlap_s[event] >= OVERLAP * (offsets[event] - onsets[event])
    return bool(covers and overlap_s.sum() >= OVERLAP * (end_s - start_s))


def _means(events: Iterable[tuple[EventTimes, NDArray[np.bool_]]]) -> dict[str, float]:
    """Fraction of the events that are right, from times (E,) and (E,) of each query: by duration, and of all events."""
    right: dict[int, list[bool]] = {}
    for (onsets, offsets), of_query in events:
        for group, is_right in zip(np.digitize(offsets - onsets, DURATIONS_S), of_query, strict=True):
            right.setdefault(int(group), []).append(bool(is_right))
    names = [f"{low:g} to {high:g} s" for low, high in itertools.pairwise((0.0, *DURATIONS_S))]
    names.append(f"above {DURATIONS_S[-1]:g} s")
    means = {names[group]: float(np.mean(values)) for group, values in sorted(right.items())}
    return means | {ALL_EVENTS: float(np.mean(list(itertools.chain(*right.values()))))} if right else {}
