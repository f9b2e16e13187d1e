"""False alarms: segments that touch no event of their query, beside the share of the events that are found.

An event is found if a segment touches it. A segment that touches an event is not a false alarm, however inexact its edges
are. So these figures say what a user meets who looks through the segments of a long recording; PSDS and event F1 say how
exact the segments are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from training import seeds
from training.evaluation.evaluation_set import ClipScores, EvaluationSet
from training.evaluation.localizers import Localizer
from training.evaluation.report import summarize_figures
from training.evaluation.scored_queries import EventTimes, ScoredQuery, bootstrap_weights
from training.evaluation.segment_levels import Levels, segment_levels

Array = NDArray[np.float64]
THRESHOLDS = np.round(np.arange(0.005, 1.0, 0.005), 3)
"""Thresholds of the curve, (K,)."""
ALARM_RATES = (3.0, 5.0, 14.0)
"""False alarms per hour and query at which the share of the events found is reported."""
CURVE_RATES = (0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 20.0, 27.0, 40.0, 60.0, 100.0)
"""False alarms per hour and query at which the curve of the report has points."""
TOUCH_TOLERANCE_S = 1e-6
"""A segment and an event that overlap by at most this time do not touch: their edges differ by rounding."""


def curve_counts(levels: Levels, events: EventTimes, edges_s: Array, thresholds: Array) -> Array:
    """Number of false alarms and of found events at each threshold, in one clip: (2, K).

    A run of frames begins where a frame is above the threshold and the frame before it is not. So the number of runs is
    the number of frames above the threshold minus the number of pairs of neighbouring frames that are both above it. The
    runs that touch an event are counted in the same way on the frames of the events alone, where the lowest level between
    two frames of events connects them.

    Args:
        levels: Curve whose runs are the segments (see `segment_levels`), (T,).
        events: Onsets and offsets of the true events of the query, disjoint and in order of time.
        edges_s: Boundaries of the frames in seconds, (T + 1,).
        thresholds: Rising thresholds, 0 or higher, (K,).
    """
    spans = _event_frames(events, edges_s)
    n_found = sum((_n_above(levels[first:end].max(keepdims=True), thresholds) for first, end in spans), np.zeros(1))
    n_touching = _n_runs(*_event_levels(levels, spans), thresholds) if spans else 0.0
    n_alarms = _n_runs(levels, np.minimum(levels[1:], levels[:-1]), thresholds) - n_touching
    return np.stack(np.broadcast_arrays(n_alarms, n_found))


def _event_frames(events: EventTimes, edges_s: Array) -> list[tuple[int, int]]:
    """First frame that each event touches, and the frame after the last frame that it touches."""
    first = np.searchsorted(edges_s[1:], events[0] + TOUCH_TOLERANCE_S, "right")
    end = np.searchsorted(edges_s[:-1], events[1] - TOUCH_TOLERANCE_S, "left")
    return [(int(a), int(b)) for a, b in zip(first, end, strict=True) if a < b]


def _event_levels(levels: Levels, spans: Sequence[tuple[int, int]]) -> tuple[Levels, Levels]:
    """Levels of the frames of events, (F,), and the level up to which each of them is connected to the next, (F - 1,)."""
    frames = np.unique(np.concatenate([np.arange(first, end) for first, end in spans]))
    pairs = np.minimum(levels[1:], levels[:-1])
    # the lowest level of all pairs of neighbouring frames from one frame of an event to the next
    links = np.minimum.reduceat(pairs, frames[:-1]) if len(frames) > 1 else np.empty(0, levels.dtype)
    if len(frames) > 1:
        links[-1] = pairs[frames[-2] : frames[-1]].min()
    return levels[frames], links


def _n_runs(levels: Levels, links: Levels, thresholds: Array) -> Array:
    return _n_above(levels, thresholds) - _n_above(links, thresholds)


def _n_above(values: Levels, thresholds: Array) -> Array:
    """Number of values above each threshold, (K,). As in serving, a threshold is rounded to the precision of the values."""
    below = np.searchsorted(thresholds.astype(values.dtype), values, "left")  # number of thresholds below each value
    counts = np.bincount(below, minlength=len(thresholds) + 1)[::-1].cumsum()[::-1]
    return counts[1:].astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class AlarmCounts:
    """Counts of one pass over an evaluation set. Letters of shapes: K thresholds, C clips, L labels.

    Attributes:
        curve: False alarms and found events at each of THRESHOLDS, (2, K, C).
        default: False alarms and found events of each label at the threshold of the label, (2, L, C).
        n_events: True events of each label, (L, C).
        hours: Hours in which each label was searched for, (L, C).
    """

    curve: Array
    default: Array
    n_events: Array
    hours: Array

    @classmethod
    def empty(cls, n_labels: int, n_clips: int) -> "AlarmCounts":
        """Counts of no query."""
        shape = n_labels, n_clips
        return cls(np.zeros((2, len(THRESHOLDS), n_clips)), np.zeros((2, *shape)), np.zeros(shape), np.zeros(shape))

    def add(self, query: ScoredQuery, grid: FrameGrid, postprocessing: Postprocessing) -> None:
        """Adds a scored query, in place."""
        duration_s = float(query.edges_s[-1])
        levels = segment_levels(query.curve, grid, duration_s, postprocessing)
        events, threshold = query.target_events, np.array([postprocessing.threshold])
        self.curve[:, :, query.clip] += curve_counts(levels, events, query.edges_s, THRESHOLDS)
        self.default[:, query.label, query.clip] += curve_counts(levels, events, query.edges_s, threshold)[:, 0]
        self.n_events[query.label, query.clip] += len(events[0])
        self.hours[query.label, query.clip] += duration_s / 3600

    def figures(self, weights: Array) -> dict[str, Array]:
        """`alarms_per_hour` and `found` at the default threshold, and `found_at_R` at each of ALARM_RATES: (B,) each.

        Args:
            weights: Number of times that each clip counts in each resample, (C, B).
        """
        rates, found = self._curve(weights)
        alarms, n_found = self.default.sum(axis=1) @ weights
        overall = {
            "alarms_per_hour": alarms / _or_nan(self.hours.sum(axis=0) @ weights),
            "found": n_found / _or_nan(self.n_events.sum(axis=0) @ weights),
        }
        return overall | {f"found_at_{rate:g}": found_at(rates, found, rate) for rate in ALARM_RATES}

    def figures_by_label(self, weights: Array) -> dict[str, Array]:
        """`alarms_per_hour` and `found` of each label at the default threshold: (L, B) each."""
        alarms, n_found = self.default @ weights
        return {
            "alarms_per_hour": alarms / _or_nan(self.hours @ weights),
            "found": n_found / _or_nan(self.n_events @ weights),
        }

    def _curve(self, weights: Array) -> tuple[Array, Array]:
        """False alarms per hour and query, and the share of events found, at each of THRESHOLDS: (K, B) each."""
        alarms, n_found = self.curve @ weights
        return alarms / _or_nan(self.hours.sum(axis=0) @ weights), n_found / _or_nan(
            self.n_events.sum(axis=0) @ weights
        )

    def points(self) -> list[dict[str, float | None]]:
        """Share of the events found, and the threshold, at each of CURVE_RATES that the curve reaches."""
        rates, found = self._curve(np.ones((self.hours.shape[1], 1)))
        highest = float(rates.max(initial=0.0))
        return [
            {
                "alarms_per_hour": rate,
                "found": _or_none(found_at(rates, found, rate)[0]),
                "threshold": _or_none(found_at(rates, np.repeat(THRESHOLDS[:, None], 1, axis=1), rate)[0]),
            }
            for rate in CURVE_RATES
            if rate <= highest
        ]


def found_at(rates: Array, values: Array, rate: float) -> Array:
    """Value of a curve where the rate of false alarms first reaches `rate` as the threshold falls: (B,).

    The value is interpolated between the last threshold with at most this rate and the next lower threshold. If the rate
    is never reached, the result is the value at the lowest threshold.

    Args:
        rates: False alarms per hour at rising thresholds, (K, B).
        values: Values at the same thresholds, (K, B) or (K, 1).
        rate: False alarms per hour.
    """
    values = np.broadcast_to(values, rates.shape)
    columns = np.arange(rates.shape[1])
    above = rates[::-1] > rate  # from the highest threshold downwards
    reached = above.any(axis=0)
    after = len(rates) - 1 - above.argmax(axis=0)  # the highest threshold with a higher rate
    before = np.minimum(after + 1, len(rates) - 1)
    step = rates[after, columns] - rates[before, columns]
    share = np.where(step > 0, (rate - rates[before, columns]) / np.where(step > 0, step, 1.0), 0.0)
    crossed = values[before, columns] + share * (values[after, columns] - values[before, columns])
    return np.where(reached, crossed, values[0])


def alarm_report(
    localizer: Localizer, evaluation_set: EvaluationSet, postprocessing: Sequence[Postprocessing], resamples: int
) -> dict[str, Any]:
    """Scores a set, clip by clip so that long recordings take little memory, and reports its false alarms.

    Args:
        localizer: Model, bundle or service to evaluate.
        evaluation_set: The set.
        postprocessing: Post-processing of each scored label, with its threshold.
        resamples: Number of bootstrap resamples of the clips.

    Returns:
        The section of the report; see `summarize_alarms`.
    """
    widths_s = [settings.median_filter_s for settings in postprocessing]
    clip_scores = (
        replace(evaluation_set, clips=(clip,)).score_clips(localizer, [widths_s])[0][0] for clip in evaluation_set.clips
    )
    passes = count_alarms(evaluation_set, clip_scores, localizer.grid, postprocessing)
    return summarize_alarms(passes, evaluation_set, resamples)


def count_alarms(
    evaluation_set: EvaluationSet,
    clip_scores: Iterable[ClipScores],
    grid: FrameGrid,
    postprocessing: Sequence[Postprocessing],
) -> list[AlarmCounts]:
    """The counts of each pass over a set, from the scores of each clip and the post-processing of each scored label."""
    n_clips = len(evaluation_set.clips)
    passes = [AlarmCounts.empty(len(evaluation_set.scored_labels), n_clips) for _ in range(evaluation_set.n_passes)]
    for index, (clip, scores) in enumerate(zip(evaluation_set.clips, clip_scores, strict=True)):
        single = replace(evaluation_set, clips=(clip,))
        for pass_index, counts in enumerate(passes):
            for query in single.scored_queries([scores], pass_index).queries:
                counts.add(replace(query, clip=index), grid, postprocessing[query.label])
    return passes


def summarize_alarms(passes: Sequence[AlarmCounts], evaluation_set: EvaluationSet, resamples: int) -> dict[str, Any]:
    """The section of a report from the counts of all passes.

    Returns:
        `set`, with the number of events of the searched labels; `figures` and `labels`, see `AlarmCounts.figures` and
        `AlarmCounts.figures_by_label`; and `curve`, see `AlarmCounts.points`.
    """
    weights = bootstrap_weights(len(evaluation_set.clips), resamples, seeds.BOOTSTRAP)
    by_label = [counts.figures_by_label(weights) for counts in passes]
    mean = AlarmCounts(
        *(np.mean([getattr(counts, name) for counts in passes], axis=0) for name in AlarmCounts.__slots__)
    )
    return {
        "set": {
            "name": evaluation_set.name,
            "recordings": len(evaluation_set.clips),
            "hours": float(sum(clip.duration_s for clip in evaluation_set.clips) / 3600),
            "labels": len(evaluation_set.labels),
            "passes": len(passes),
            "events": int(mean.n_events.sum()),
        },
        "figures": summarize_figures([counts.figures(weights) for counts in passes]),
        "curve": mean.points(),
        "labels": {
            label: summarize_figures([{name: values[i] for name, values in figures.items()} for figures in by_label])
            for i, label in enumerate(evaluation_set.scored_labels)
        },
    }


def _or_nan(totals: Array) -> Array:
    return np.where(totals > 0, totals, np.nan)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
