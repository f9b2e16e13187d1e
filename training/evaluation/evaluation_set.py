"""Clips with their queries and true events, and the scores that a model gives them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid
from training.evaluation.localizers import Localizer
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, events_by_label

Waveform = NDArray[np.float32]
FilterWidths = Sequence[float]
"""Width of the median filter of each scored label, in seconds."""
POOLED = "all captions"
"""Name of the single scored label of a pooled set."""
SCORE_BYTES = 4
"""Memory of one score."""
QUERY_BYTES = 300
"""Memory that a query takes in each clip, in addition to its scores."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationClip:
    """A clip of an evaluation set.

    Attributes:
        name: Name for reports.
        waveform: Gives the samples (N,) at a sample rate in hertz.
        duration_s: Duration in seconds.
        events: (label, onset_s, offset_s) of each true event.
        queried_labels: Indices of the set's labels whose queries are searched for in the clip.
    """

    name: str
    waveform: Callable[[int], Waveform]
    duration_s: float
    events: tuple[tuple[str, float, float], ...]
    queried_labels: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ClipScores:
    """Score curves of a clip's queries.

    Attributes:
        curves: Scores of each query, (Q, T), ordered by the clip's queried labels, then by the queries of a label.
        edges_s: Boundaries of the frames in seconds, (T + 1,).
    """

    curves: NDArray[np.float32]
    edges_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationSet:
    """Clips, and the queries of each label.

    Attributes:
        name: Name for reports.
        clips: The clips.
        labels: The labels that are searched for.
        queries: Queries of each label, the same number for every label. Each query is used in one pass over the clips.
        pooled: Whether all labels are counted together as a single scored label. Sets are pooled if their labels are
            captions, most of which occur in so few recordings that figures for each caption would mean nothing.
    """

    name: str
    clips: tuple[EvaluationClip, ...]
    labels: tuple[str, ...]
    queries: tuple[tuple[str, ...], ...]
    pooled: bool = False

    @property
    def n_passes(self) -> int:
        """Number of queries of each label."""
        return len(self.queries[0])

    @property
    def scored_labels(self) -> tuple[str, ...]:
        """The labels that figures are computed for."""
        return (POOLED,) if self.pooled else self.labels

    @property
    def has_events(self) -> bool:
        """Whether any clip has a true event of one of the labels."""
        labels = set(self.labels)
        return any(
            label in labels and onset_s < clip.duration_s for clip in self.clips for label, onset_s, _ in clip.events
        )

    def memory_bytes(self, grid: FrameGrid, n_choices: int) -> int:
        """Memory of the score curves and scored queries for `n_choices` choices of the median filters."""
        n_scores = sum(
            len(clip.queried_labels) * grid.n_frames(grid.samples_for(clip.duration_s)) for clip in self.clips
        )
        n_queries = sum(len(clip.queried_labels) for clip in self.clips)
        return n_choices * (self.n_passes * n_scores * SCORE_BYTES + n_queries * QUERY_BYTES)

    def scored_label_index(self, label: int) -> int:
        """Index among `scored_labels` of the label with this index among `labels`."""
        return 0 if self.pooled else label

    def scored_queries(self, clip_scores: Sequence[ClipScores], pass_index: int) -> ScoredQueries:
        """The scored queries of one pass, from the scores of each clip. The curves are views, not copies."""
        queries: list[ScoredQuery] = []
        for clip_index, (clip, scores) in enumerate(zip(self.clips, clip_scores, strict=True)):
            events = events_by_label(self.labels, clip.events, float(scores.edges_s[-1]))
            curves = scores.curves[pass_index :: self.n_passes]
            for label, curve in zip(clip.queried_labels, curves, strict=True):
                target_events = {0: events[label]} if label in events else {}
                queries.append(
                    ScoredQuery(
                        clip_index,
                        self.scored_label_index(label),
                        curve,
                        scores.edges_s,
                        target_events if self.pooled else events,
                    )
                )
        return ScoredQueries(self.scored_labels, tuple(queries), len(self.clips))

    def score_clips(self, localizer: Localizer, width_choices: Sequence[FilterWidths]) -> list[list[ClipScores]]:
        """The scores of each clip, for each choice of the median filters. Each clip is read once."""
        scores_by_choice: list[list[ClipScores]] = [[] for _ in width_choices]
        for clip in self.clips:
            waveform = clip.waveform(localizer.grid.sample_rate_hz)
            for widths_s, clip_scores in zip(width_choices, scores_by_choice, strict=True):
                clip_scores.append(self._score_clip(localizer, clip, waveform, widths_s))
        return scores_by_choice

    def _score_clip(
        self, localizer: Localizer, clip: EvaluationClip, waveform: Waveform, widths_s: FilterWidths
    ) -> ClipScores:
        grid = localizer.grid
        queries = [query for label in clip.queried_labels for query in self.queries[label]]
        label_widths_s = [widths_s[self.scored_label_index(label)] for label in clip.queried_labels]
        query_widths_s = np.repeat(label_widths_s, self.n_passes)  # (Q,)
        curves = np.empty((len(queries), grid.n_frames(len(waveform))), np.float32)
        for width_s in np.unique(query_widths_s):
            same_width = np.flatnonzero(query_widths_s == width_s)
            curves[same_width] = localizer.scores(waveform, [queries[i] for i in same_width], float(width_s))
        return ClipScores(curves, grid.edges(curves.shape[1], grid.duration_s(len(waveform))))
