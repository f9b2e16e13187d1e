"""Recordings with the queries that they are asked, wherever they come from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid
from training import seeds
from training.data.decoding import decode, recording_duration_s
from training.data.example import Example
from training.evaluation.benchmark import Benchmark, BenchmarkScene
from training.evaluation.localizers import Localizer
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, events_by_label

Waveform = NDArray[np.float32]
Widths = Sequence[float]
POOLED = "all captions"
MOST_LABELS = 1000
"""With more different captions than that, each recording is asked its own and FOREIGN_PER_OWN times as many others'."""
FOREIGN_PER_OWN = 4
SCORE_BYTES, PAIR_BYTES = 4, 300
"""Of a score, and of all else that is held for a recording and a label."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationClip:
    """A recording: its samples (N,) at a rate that is asked for, what is heard in it when, and for which labels it is asked.

    Each event is (label, onset_s, offset_s); `asked` are indices among the labels of its set.
    """

    name: str
    waveform: Callable[[int], Waveform]
    duration_s: float
    events: tuple[tuple[str, float, float], ...]
    asked: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Scores of a clip's queries, (Q, T), and the boundaries of their frames, (T + 1,)."""

    curves: NDArray[np.float32]
    edges_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationSet:
    """Clips, and the queries of each label, one a pass.

    Where `pooled`, each label belongs to a recording or two, and all are counted as one.
    """

    name: str
    clips: tuple[EvaluationClip, ...]
    labels: tuple[str, ...]
    queries: tuple[tuple[str, ...], ...]
    pooled: bool = False

    @property
    def n_passes(self) -> int:
        """How many queries each label has."""
        return len(self.queries[0])

    @property
    def scored_labels(self) -> tuple[str, ...]:
        """The labels that figures are told of."""
        return (POOLED,) if self.pooled else self.labels

    @property
    def heard(self) -> bool:
        """Whether any of its labels is heard."""
        labels = set(self.labels)
        return any(
            label in labels and onset_s < clip.duration_s for clip in self.clips for label, onset_s, _ in clip.events
        )

    def answers_bytes(self, grid: FrameGrid, n_choices: int) -> int:
        """How much memory its answers and their pairs take, for so many choices of the median filters."""
        scores = sum(len(clip.asked) * grid.n_frames(grid.samples_for(clip.duration_s)) for clip in self.clips)
        pairs = sum(len(clip.asked) for clip in self.clips)
        return n_choices * (self.n_passes * scores * SCORE_BYTES + pairs * PAIR_BYTES)

    def index(self, label: int) -> int:
        """Under which of the scored labels a label is counted."""
        return 0 if self.pooled else label

    def pairs(self, answers: Sequence[Answer], number: int) -> ScoredQueries:
        """The pairs of one pass, from what each clip gave for its queries."""
        pairs: list[ScoredQuery] = []
        for recording, (clip, answer) in enumerate(zip(self.clips, answers, strict=True)):
            events = events_by_label(self.labels, clip.events, float(answer.edges_s[-1]))
            for label, curve in zip(clip.asked, answer.curves[number :: self.n_passes], strict=True):
                heard = {0: events[label]} if label in events else {}
                pairs.append(
                    ScoredQuery(recording, self.index(label), curve, answer.edges_s, heard if self.pooled else events)
                )
        return ScoredQueries(self.scored_labels, tuple(pairs), len(self.clips))

    def answers(self, localizer: Localizer, widths_s: Sequence[Widths]) -> list[list[Answer]]:
        """What each clip gives for its queries, for each choice of the median filters of the scored labels."""
        found: list[list[Answer]] = [[] for _ in widths_s]
        for clip in self.clips:
            waveform = clip.waveform(localizer.grid.sample_rate_hz)
            for widths, answers in zip(widths_s, found, strict=True):
                answers.append(self._answer(localizer, clip, waveform, widths))
        return found

    def _answer(self, localizer: Localizer, clip: EvaluationClip, waveform: Waveform, widths_s: Widths) -> Answer:
        grid = localizer.grid
        queries = [query for label in clip.asked for query in self.queries[label]]
        own_s = np.repeat([widths_s[self.index(label)] for label in clip.asked], self.n_passes)  # (Q,)
        curves = np.empty((len(queries), grid.n_frames(len(waveform))), np.float32)
        for width_s in np.unique(own_s):
            which = np.flatnonzero(own_s == width_s)
            curves[which] = localizer.scores(waveform, [queries[i] for i in which], float(width_s))
        return Answer(curves, grid.edges(curves.shape[1], grid.duration_s(len(waveform))))


def evaluation_set_from_benchmark(name: str, benchmark: Benchmark, queries: Sequence[Sequence[str]]) -> EvaluationSet:
    """Soundscapes, all of which are asked for all labels."""
    asked = tuple(range(len(benchmark.labels)))
    clips = tuple(_of_scene(scene, benchmark, asked) for scene in benchmark.scenes)
    return EvaluationSet(name, clips, benchmark.labels, tuple(tuple(own) for own in queries))


def _of_scene(scene: BenchmarkScene, benchmark: Benchmark, asked: tuple[int, ...]) -> EvaluationClip:
    events = tuple((event.label, event.onset_s, event.offset_s) for event in scene.events)
    waveform = partial(resampled, scene.waveform, benchmark.sample_rate_hz)
    return EvaluationClip(scene.name, waveform, benchmark.scene_s, events, asked)


def merge_recordings(examples: Iterable[Example]) -> list[Example]:
    """Examples of the same recording and split made one, in the order of the first: what one says is heard for all."""
    found: dict[tuple[Path, str], Example] = {}
    for example in examples:
        own = example.path, example.split
        known = found.get(own, Example(*own))
        captions = tuple(dict.fromkeys((*known.captions, *example.captions)))
        found[own] = Example(*own, captions, (*known.events, *example.events))
    return list(found.values())


def evaluation_set_from_examples(
    name: str, examples: Sequence[Example], labels: Sequence[str] | None = None, pooled: bool | None = None
) -> EvaluationSet:
    """The annotated recordings of a data set; the queries are the captions of its events.

    Args:
        name: Of the set, for reports.
        examples: Its recordings.
        labels: What is asked for, if not all captions of their events.
        pooled: Whether all are counted as one; if not given, where they are more than MOST_LABELS.

    Raises:
        ValueError: No recording has an event.
        UnreadableRecordingError: A recording cannot be opened.
    """
    captions = sorted({event.caption for example in examples for event in example.events})
    if not captions:
        raise ValueError(f"{name}: none of {len(examples)} recordings has an event; captions of events are asked for")
    asked = tuple(captions if labels is None else labels)
    pooled = len(asked) > MOST_LABELS if pooled is None else pooled
    index = {label: i for i, label in enumerate(asked)}
    rng = np.random.default_rng(seeds.CAPTIONS_PER_RECORDING)
    clips: list[EvaluationClip] = []
    for example in examples:
        events = tuple((event.caption, event.onset_s, event.offset_s) for event in example.events)
        own = sorted({index[label] for label, _, _ in events if label in index})
        everything = tuple(range(len(asked)))
        which = (*own, *_foreign(rng, own, len(asked))) if pooled else everything
        waveform, duration_s = partial(decode, example.path), recording_duration_s(example.path)
        clips.append(EvaluationClip(str(example.path), waveform, duration_s, events, which))
    return EvaluationSet(name, tuple(clips), asked, tuple((label,) for label in asked), pooled)


def _foreign(rng: Generator, own: Sequence[int], n_labels: int) -> list[int]:
    """Labels that a recording does not have."""
    others = np.setdiff1d(
        rng.choice(n_labels, size=min(n_labels, (FOREIGN_PER_OWN + 1) * len(own)), replace=False), own
    )
    return [int(label) for label in rng.permutation(others)[: FOREIGN_PER_OWN * len(own)]]


def resampled(waveform: Waveform, from_hz: int, to_hz: int) -> Waveform:
    """A waveform (N,) at another rate."""
    return waveform if from_hz == to_hz else soxr.resample(waveform, from_hz, to_hz).astype(np.float32)
