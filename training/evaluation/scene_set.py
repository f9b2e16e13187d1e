"""Evaluation sets of synthesized scenes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from training.evaluation.benchmark import Benchmark, BenchmarkScene, load_benchmark, validation_queries
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet


def scene_set(folder: Path, seed: int) -> EvaluationSet:
    """The benchmark's scenes of a seed, queried with the held-out captions of every label.

    Args:
        folder: CSV pack with a `val` split.
        seed: Seed of the scenes.

    Raises:
        ValueError: No label has enough recordings, a label has too few held-out captions, or a recording cannot be
            decoded.
        FileNotFoundError: The pack's table does not exist.
    """
    benchmark = load_benchmark(folder, seed)
    return evaluation_set_from_benchmark(f"scenes of seed {seed}", benchmark, validation_queries(benchmark.labels))


def evaluation_set_from_benchmark(name: str, benchmark: Benchmark, queries: Sequence[Sequence[str]]) -> EvaluationSet:
    """The evaluation set in which every label is searched for in every scene of a benchmark.

    Args:
        name: Name for reports.
        benchmark: Scenes and labels.
        queries: Queries of each label, one per pass.
    """
    all_labels = tuple(range(len(benchmark.labels)))
    clips = tuple(_clip_from_scene(scene, benchmark, all_labels) for scene in benchmark.scenes)
    return EvaluationSet(name, clips, benchmark.labels, tuple(map(tuple, queries)))


def _clip_from_scene(scene: BenchmarkScene, benchmark: Benchmark, queried_labels: tuple[int, ...]) -> EvaluationClip:
    events = tuple((event.label, event.onset_s, event.offset_s) for event in scene.events)
    waveform = partial(resampled, scene.waveform, benchmark.sample_rate_hz)
    return EvaluationClip(scene.name, waveform, benchmark.scene_s, events, queried_labels)


def resampled(waveform: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """A waveform (N,) converted from one sample rate to another."""
    return waveform if from_hz == to_hz else soxr.resample(waveform, from_hz, to_hz).astype(np.float32)
