"""The validation benchmark: a seeded recipe over the `val` recordings of a pack, and its truth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import seeds
from training.data.captions import FOLDER as CAPTIONS
from training.data.captions import read_label_captions
from training.data.pack import AudioStore, Recording, read_pack_table
from training.evaluation.scored_queries import NO_EVENTS, events_by_label, frames_in_events
from training.synthesis.scene import Event, Scene, SceneRecipe, SceneSynthesizer
from training.synthesis.truth import BLOCK_S, runs
from training.towers.front_end import SAMPLE_RATE_HZ

PASSES = 3
"""Captions of each label, each asked in a pass of its own."""
N_SCENES = 400
MIN_RECORDINGS = 3
"""Labels with fewer recordings are heard in the scenes, but not asked for."""
RECIPE = SceneRecipe(
    scene_s=10.0,
    min_events=1,
    max_events=4,
    snr_db=(0.0, 20.0),
    level_db=(-20.0, -1.0),
    ambience_rate=0.0,
    silence_rate=0.0,
    augmentation=None,
)


@dataclass(frozen=True, slots=True)
class BenchmarkEvent:
    """An annotated event; `snr_db` is the loudest of the recordings that it is made of."""

    label: str
    onset_s: float
    offset_s: float
    snr_db: float


@dataclass(frozen=True, slots=True)
class BenchmarkScene:
    """A scene of the benchmark: samples in [-1, 1], and what is heard in it when."""

    name: str
    waveform: NDArray[np.float32]
    events: tuple[BenchmarkEvent, ...]

    def labels(self, min_snr_db: float = -np.inf) -> set[str]:
        """The labels heard at `min_snr_db` over the background or more."""
        return {event.label for event in self.events if event.snr_db >= min_snr_db}

    def truth(self, labels: Sequence[str], edges_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Frames, given by their boundaries (T + 1,), whose centre lies in an event of the label: (labels, T)."""
        own = events_by_label(labels, ((e.label, e.onset_s, e.offset_s) for e in self.events), float(edges_s[-1]))
        return np.stack([frames_in_events(own.get(label, NO_EVENTS), edges_s) for label in range(len(labels))])


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Scenes, and the labels that are asked for."""

    scenes: tuple[BenchmarkScene, ...]
    labels: tuple[str, ...]
    sample_rate_hz: int
    scene_s: float


def draw_benchmark(
    recordings: Sequence[Recording], store: AudioStore, n_scenes: int = N_SCENES, seed: int = seeds.BENCHMARK
) -> Benchmark:
    """The benchmark over some recordings, always the same of a seed: all labels that are asked for are equally frequent."""
    counts = Counter(r.label for r in recordings)
    weights = np.array([1.0 / max(counts[r.label], MIN_RECORDINGS) for r in recordings])
    synthesizer = SceneSynthesizer(store, RECIPE, weights)
    labels = [r.label for r in recordings]
    scenes = tuple(
        _scene(f"scene{i:04d}", synthesizer.draw(np.random.default_rng([seed, i])), labels) for i in range(n_scenes)
    )
    asked = tuple(sorted(label for label, count in counts.items() if count >= MIN_RECORDINGS))
    return Benchmark(scenes, asked, store.sample_rate_hz, RECIPE.scene_s)


def load_benchmark(folder: Path, seed: int = seeds.BENCHMARK) -> Benchmark:
    """The benchmark, or scenes of another seed, over the `val` recordings of a pack.

    Raises:
        ValueError: No label has recordings enough, or a recording cannot be read.
        FileNotFoundError: The table is not there.
    """
    recordings = [r for r in read_pack_table(folder) if r.split == "val"]
    if max(Counter(r.label for r in recordings).values(), default=0) < MIN_RECORDINGS:
        raise ValueError(f"no label has {MIN_RECORDINGS} recordings in split 'val', which soundscapes are made of")
    return draw_benchmark(recordings, AudioStore.decode(recordings, SAMPLE_RATE_HZ), seed=seed)


def validation_queries(labels: Sequence[str], captions: Path = CAPTIONS / "validation.jsonl") -> list[list[str]]:
    """The held-out captions of each label, PASSES each.

    Raises:
        ValueError: A label has fewer.
    """
    written = {label: own.captions for label, own in read_label_captions(captions).items()}
    lacking = [label for label in labels if len(written.get(label, ())) < PASSES]
    if lacking:
        raise ValueError(
            f"{captions} has fewer than {PASSES} captions of {', '.join(map(repr, lacking))}; "
            f"each label with {MIN_RECORDINGS} recordings in val needs so many"
        )
    return [list(written[label][:PASSES]) for label in labels]


def _scene(name: str, scene: Scene, labels: Sequence[str]) -> BenchmarkScene:
    events: list[BenchmarkEvent] = []
    for label in sorted({labels[event.recording] for event in scene.events}):
        events += _merged(label, [event for event in scene.events if labels[event.recording] == label])
    return BenchmarkScene(name, scene.waveform, tuple(events))


def _merged(label: str, events: Sequence[Event]) -> list[BenchmarkEvent]:
    """The events of one label; overlapping and touching ones are one."""
    n_blocks = round(RECIPE.scene_s / BLOCK_S)
    active, snr_db = np.zeros(n_blocks, dtype=bool), np.full(n_blocks, -np.inf)
    for event in events:
        blocks = round(event.onset_s / BLOCK_S) + np.flatnonzero(event.active)
        blocks = blocks[blocks < n_blocks]
        active[blocks] = True
        snr_db[blocks] = np.maximum(snr_db[blocks], event.snr_db)
    return [
        BenchmarkEvent(label, start * BLOCK_S, end * BLOCK_S, float(snr_db[start:end].max()))
        for start, end in runs(active)
    ]
