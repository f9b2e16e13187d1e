"""Recordings with the queries that they are asked, wherever they come from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import soxr
from numpy.typing import NDArray

from training.evaluation.asked import Asked, Pair, labelled
from training.evaluation.benchmark import Benchmark, BenchmarkScene
from training.evaluation.localizers import Localizer

Waveform = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationClip:
    """A recording: its samples (N,) at a rate that is asked for, what is heard in it when, and which labels it is asked for.

    Each event is (label, onset_s, offset_s); `asked` are indices among the labels of its set.
    """

    name: str
    waveform: Callable[[int], Waveform]
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

    def queries_of(self, clip: EvaluationClip) -> list[str]:
        """All queries that a clip is asked, those of one label together."""
        return [query for label in clip.asked for query in self.queries[label]]

    def pairs(self, answers: Sequence[Answer], number: int) -> Asked:
        """The pairs of one pass, from what each clip gave for its queries."""
        pairs: list[Pair] = []
        for recording, (clip, answer) in enumerate(zip(self.clips, answers, strict=True)):
            events = labelled(self.labels, clip.events)
            for label, curve in zip(clip.asked, answer.curves[number :: self.n_passes].astype(np.float64), strict=True):
                if self.pooled:
                    pairs.append(
                        Pair(recording, 0, curve, answer.edges_s, {0: events[label]} if label in events else {})
                    )
                else:
                    pairs.append(Pair(recording, label, curve, answer.edges_s, events))
        return Asked(("all",) if self.pooled else self.labels, tuple(pairs), len(self.clips))

    def answers(self, localizer: Localizer, median_filter_s: float | None = None) -> list[Answer]:
        """What each clip gives for its queries."""
        return [self._answer(localizer, clip, median_filter_s) for clip in self.clips]

    def _answer(self, localizer: Localizer, clip: EvaluationClip, median_filter_s: float | None) -> Answer:
        grid = localizer.grid
        waveform = clip.waveform(grid.sample_rate_hz)
        curves = localizer.scores(waveform, self.queries_of(clip), median_filter_s)
        return Answer(curves, grid.edges(curves.shape[1], grid.duration_s(len(waveform))))


def of_benchmark(name: str, benchmark: Benchmark, queries: Sequence[Sequence[str]]) -> EvaluationSet:
    """Soundscapes, all of which are asked for all labels."""
    asked = tuple(range(len(benchmark.labels)))
    clips = tuple(_of_scene(scene, benchmark.sample_rate_hz, asked) for scene in benchmark.scenes)
    return EvaluationSet(name, clips, benchmark.labels, tuple(tuple(own) for own in queries))


def _of_scene(scene: BenchmarkScene, rate_hz: int, asked: tuple[int, ...]) -> EvaluationClip:
    events = tuple((event.label, event.onset_s, event.offset_s) for event in scene.events)
    return EvaluationClip(scene.name, partial(resampled, scene.waveform, rate_hz), events, asked)


def resampled(waveform: Waveform, from_hz: int, to_hz: int) -> Waveform:
    """A waveform (N,) at another rate."""
    return waveform if from_hz == to_hz else soxr.resample(waveform, from_hz, to_hz).astype(np.float32)
