"""The validation benchmark: scenes synthesized with a fixed recipe and seed from the `val` recordings of a pack."""

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

VALIDATION_CAPTIONS = CAPTIONS / "validation.jsonl"
"""Captions of each label that are held out from training."""
PASSES = 3
"""Number of held-out captions of each label. Each is the label's query in one pass over the scenes."""
N_SCENES = 400
MIN_RECORDINGS = 3
"""A label is searched for if it has at least this many recordings. Rarer labels occur in scenes, but have no query."""
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
    """A true event in a benchmark scene: overlapping and touching recordings of one label, merged.

    Attributes:
        label: Label of the merged recordings.
        onset_s: Onset in seconds.
        offset_s: Offset in seconds.
        snr_db: Signal-to-noise ratio of the loudest of the merged recordings, in decibels.
    """

    label: str
    onset_s: float
    offset_s: float
    snr_db: float


@dataclass(frozen=True, slots=True)
class BenchmarkScene:
    """A scene of the benchmark: its name, samples in [-1, 1] and true events."""

    name: str
    waveform: NDArray[np.float32]
    events: tuple[BenchmarkEvent, ...]

    def event_labels(self, min_snr_db: float = -np.inf) -> set[str]:
        """Labels of the events with a signal-to-noise ratio of at least `min_snr_db`."""
        return {event.label for event in self.events if event.snr_db >= min_snr_db}

    def truth(self, labels: Sequence[str], edges_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each frame's centre lies in an event of each label: (labels, T), from frame boundaries (T + 1,)."""
        events = events_by_label(labels, ((e.label, e.onset_s, e.offset_s) for e in self.events), float(edges_s[-1]))
        return np.stack([frames_in_events(events.get(label, NO_EVENTS), edges_s) for label in range(len(labels))])


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Scenes, and the labels that are searched for in all of them.

    Attributes:
        scenes: The scenes.
        labels: Labels with at least MIN_RECORDINGS recordings, in alphabetical order.
        sample_rate_hz: Sample rate of the waveforms.
        scene_s: Duration of every scene in seconds.
    """

    scenes: tuple[BenchmarkScene, ...]
    labels: tuple[str, ...]
    sample_rate_hz: int
    scene_s: float


def draw_benchmark(
    recordings: Sequence[Recording],
    store: AudioStore,
    n_scenes: int = N_SCENES,
    seed: int = seeds.BENCHMARK,
    weights: NDArray[np.float64] | None = None,
) -> Benchmark:
    """Synthesizes the scenes of a seed; the same arguments always give the same scenes.

    Args:
        recordings: Recordings to synthesize from.
        store: Decoded audio of `recordings`, in the same order.
        n_scenes: Number of scenes.
        seed: Seed of the scenes.
        weights: How often each recording is drawn, relative to the others, (R,). By default, all labels with at least
            MIN_RECORDINGS recordings are drawn with the same probability.
    """
    counts = Counter(r.label for r in recordings)
    if weights is None:
        weights = np.array([1.0 / max(counts[r.label], MIN_RECORDINGS) for r in recordings])
    synthesizer = SceneSynthesizer(store, RECIPE, weights)
    recording_labels = [r.label for r in recordings]
    scenes = tuple(
        _benchmark_scene(
            f"scene{i:04d}", synthesizer.draw(np.random.default_rng(seeds.numbered(seed, i))), recording_labels
        )
        for i in range(n_scenes)
    )
    labels = tuple(sorted(label for label, count in counts.items() if count >= MIN_RECORDINGS))
    return Benchmark(scenes, labels, store.sample_rate_hz, RECIPE.scene_s)


def load_benchmark(folder: Path, seed: int = seeds.BENCHMARK, n_scenes: int = N_SCENES) -> Benchmark:
    """Reads the `val` recordings of a pack and synthesizes the scenes of a seed from them.

    Raises:
        ValueError: No label has at least MIN_RECORDINGS recordings, or a recording cannot be decoded.
        FileNotFoundError: The pack's table does not exist.
    """
    recordings = [r for r in read_pack_table(folder) if r.split == "val"]
    if max(Counter(r.label for r in recordings).values(), default=0) < MIN_RECORDINGS:
        raise ValueError(
            f"{folder}: no label has {MIN_RECORDINGS} recordings in split 'val'; scenes need at least one such label"
        )
    return draw_benchmark(recordings, AudioStore.decode(recordings, SAMPLE_RATE_HZ), n_scenes, seed)


def validation_queries(labels: Sequence[str], captions: Path = VALIDATION_CAPTIONS) -> list[list[str]]:
    """The first PASSES held-out captions of each label.

    Raises:
        ValueError: A label has fewer captions.
    """
    captions_by_label = {label: entry.captions for label, entry in read_label_captions(captions).items()}
    incomplete = [label for label in labels if len(captions_by_label.get(label, ())) < PASSES]
    if incomplete:
        raise ValueError(
            f"{captions} has fewer than {PASSES} captions of {', '.join(map(repr, incomplete))}; each label with "
            f"{MIN_RECORDINGS} recordings in split 'val' needs at least {PASSES}"
        )
    return [list(captions_by_label[label][:PASSES]) for label in labels]


def _benchmark_scene(name: str, scene: Scene, recording_labels: Sequence[str]) -> BenchmarkScene:
    events: list[BenchmarkEvent] = []
    for label in sorted({recording_labels[event.recording] for event in scene.events}):
        events += _merged(label, [event for event in scene.events if recording_labels[event.recording] == label])
    return BenchmarkScene(name, scene.waveform, tuple(events))


def _merged(label: str, events: Sequence[Event]) -> list[BenchmarkEvent]:
    """The events of one label, with overlapping and touching events merged."""
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
