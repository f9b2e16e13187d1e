"""Presence of a sound in clips of several lengths: how often an absent sound is reported, and how often a sound that is heard.

The clips are excerpts of sparse recordings. An excerpt that holds no part of an event of a query is a clip without the
sound, whatever its length, so the shares of several lengths can be compared.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.presence import MAX_FROM_S, PresenceRule, is_present
from service.core.segments import find_segments
from training import seeds
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet
from training.evaluation.localizers import Localizer
from training.evaluation.report import summarize_figures
from training.evaluation.scored_queries import ScoredQuery, bootstrap_weights, frames_in_events
from training.evaluation.segment_levels import segment_levels

LENGTHS_S = {5.0: 10, 10.0: 10, 60.0: 4, 600.0: 1}
"""Number of excerpts of each recording, by length of the excerpts in seconds."""
FITTED_LENGTHS_S = (5.0, 10.0, 20.0, 60.0, 150.0, 300.0, 600.0)
"""Lengths to which a presence rule is fitted, in seconds."""

SHORTEST_S = 0.1
"""Shortest length at which a rule can begin, in seconds."""


def presence_report(
    localizer: Localizer, evaluation_set: EvaluationSet, postprocessing: Postprocessing, resamples: int
) -> dict[str, Any]:
    """Scores excerpts of each length in LENGTHS_S as separate clips, and counts the queries that are reported as present.

    Args:
        localizer: Model, bundle or service to evaluate.
        evaluation_set: Sparse recordings. Lengths that are longer than the recordings are left out.
        postprocessing: Post-processing of all queries.
        resamples: Number of bootstrap resamples of the recordings.

    Returns:
        For each length, such as `5 s`: `false_presence`, the share of absent sounds reported as present, and `presence`, the
        share of heard sounds reported as present. Both are given with the rule of the model, and (`_any_segment`) with
        every segment counted.
    """
    weights = bootstrap_weights(len(evaluation_set.clips), resamples, seeds.BOOTSTRAP)
    report: dict[str, Any] = {}
    for length_s, n_excerpts in LENGTHS_S.items():
        # absent and heard; queries, present with the rule, present without it
        counts = np.zeros((2, 3, len(evaluation_set.clips)))
        for number, clip in enumerate(evaluation_set.clips):
            if clip.duration_s < length_s:
                continue
            for excerpt in excerpts(clip, length_s, n_excerpts):
                for heard, present in _decisions(localizer, replace(evaluation_set, clips=(excerpt,)), postprocessing):
                    counts[int(heard), :, number] += 1, *present
        if counts[:, 0].any():
            report[f"{length_s:g} s"] = summarize_figures([_shares(counts @ weights)])
    return report


def excerpts(clip: EvaluationClip, length_s: float, n_excerpts: int) -> Iterator[EvaluationClip]:
    """Yields evenly spaced excerpts of a clip as clips, with the parts of the events that they hold."""
    waveforms: dict[int, NDArray[np.float32]] = {}

    def samples(start_s: float, sample_rate_hz: int) -> NDArray[np.float32]:
        if sample_rate_hz not in waveforms:
            waveforms[sample_rate_hz] = clip.waveform(sample_rate_hz)
        start = round(start_s * sample_rate_hz)
        return waveforms[sample_rate_hz][start : start + round(length_s * sample_rate_hz)]

    for start_s in np.linspace(0, clip.duration_s - length_s, n_excerpts).round(2).tolist():
        events = tuple(
            (label, max(0.0, onset_s - start_s), min(length_s, offset_s - start_s))
            for label, onset_s, offset_s in clip.events
            if onset_s < start_s + length_s and offset_s > start_s
        )
        name = f"{clip.name} from {start_s:g} s"
        yield EvaluationClip(name, lambda rate, s=start_s: samples(s, rate), length_s, events, clip.queried_labels)


def _decisions(
    localizer: Localizer, single: EvaluationSet, postprocessing: Postprocessing
) -> Iterator[tuple[bool, tuple[bool, bool]]]:
    """For each query about a clip: whether it is heard, and whether it is reported as present with the rule and without."""
    widths_s = [postprocessing.median_filter_s] * len(single.scored_labels)
    (scores,) = single.score_clips(localizer, [widths_s])
    for pass_index in range(single.n_passes):
        for query in single.scored_queries(scores, pass_index).queries:
            curve, duration_s = query.curve.astype(np.float32, copy=False), float(query.edges_s[-1])
            segments = find_segments(curve, curve, localizer.grid, duration_s, postprocessing)
            present = is_present(segments, postprocessing.threshold, duration_s, localizer.presence)
            yield len(query.target_events[0]) > 0, (present, bool(segments))


def _shares(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Shares (B,) from counts (2, 3, B)."""
    totals = np.where(counts[:, 0] > 0, counts[:, 0], np.nan)
    (absent, absent_any), (heard, heard_any) = counts[0, 1:] / totals[0], counts[1, 1:] / totals[1]
    return {
        "false_presence": absent,
        "presence": heard,
        "false_presence_any_segment": absent_any,
        "presence_any_segment": heard_any,
    }


@dataclass(slots=True)
class AbsentPeaks:
    """The highest levels of absent sounds in the excerpts of each of FITTED_LENGTHS_S, to which a rule is fitted."""

    by_length: dict[float, list[NDArray[np.float32]]] = field(default_factory=dict)

    def add(self, query: ScoredQuery, grid: FrameGrid, postprocessing: Postprocessing) -> None:
        """Adds the excerpts of a query's curve; excerpts of one length do not overlap."""
        levels = segment_levels(query.curve, grid, float(query.edges_s[-1]), postprocessing)
        heard = frames_in_events(query.target_events, query.edges_s)
        for length_s in FITTED_LENGTHS_S:
            frames = grid.frames_for(length_s)
            n_excerpts = len(levels) // frames
            shape = n_excerpts, frames
            absent = ~heard[: n_excerpts * frames].reshape(shape).any(axis=1)
            peaks = levels[: n_excerpts * frames].reshape(shape).max(axis=1, initial=0.0)
            self.by_length.setdefault(length_s, []).append(peaks[absent])

    def fit(self, threshold: float, false_presence: float) -> PresenceRule | None:
        """Fits the rule that keeps the share of absent sounds reported as present at `false_presence`, at every length.

        At each length, the score that this share of the peaks exceeds is a quantile of the peaks. The logit of this score
        is fitted by a line over the logarithm of the length. The rule begins at the length where the line crosses the
        threshold of the segments.

        Returns:
            The rule, or None if the scores do not rise with the length, or do not cross the threshold at a length between
            SHORTEST_S and an hour.
        """
        usable = {
            length_s: np.concatenate(peaks) for length_s, peaks in self.by_length.items() if sum(map(len, peaks)) > 0
        }
        doublings = np.log2(list(usable))
        scores = np.array([np.quantile(peaks, 1 - false_presence) for peaks in usable.values()]).clip(1e-4, 1 - 1e-4)
        if len(usable) < 2:
            return None
        slope, intercept = np.polyfit(doublings, np.log(scores / (1 - scores)), 1)
        if slope <= 0:
            return None
        doublings_at_threshold = (np.log(threshold / (1 - threshold)) - intercept) / slope
        if not math.log2(SHORTEST_S) <= doublings_at_threshold <= math.log2(MAX_FROM_S):
            return None
        return PresenceRule(round(2.0 ** float(doublings_at_threshold), 1), round(float(slope), 3))


def described(rule: PresenceRule | None, lengths_s: Sequence[float], threshold: float) -> str:
    """A text of the thresholds of presence at several lengths, for reports."""
    if rule is None:
        return "every segment counts"
    return ", ".join(f"{rule.threshold(threshold, length_s):.2f} at {length_s:g} s" for length_s in lengths_s)
