"""Batches of scenes, each a pure function of the seed and its number, so that a run can go on where it stopped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.synthesis.scene import Scene, SceneSynthesizer
from training.teacher import HOP_SAMPLES, TeacherScores


@dataclass(slots=True)
class Batch:
    """B scenes of at most E events.

    Attributes:
        waveform: (B, N) in [-1, 1].
        active: whether event e sounds in frame t, (B, E, T).
        labels: label of each event (B, E); where there is none, 0 with an `active` of zeros.
        ambience: label that may be heard throughout, or -1: (B,).
        teacher: the teacher's scores of the events (B, T / 2, C) in [0, 1]; C is 0 without a teacher.
        teacher_unknown: classes that the ambience may hold, (B, C).
    """

    waveform: Tensor
    active: Tensor
    labels: Tensor
    ambience: Tensor
    teacher: Tensor
    teacher_unknown: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__slots__))


class SceneBatches(Dataset[Batch]):
    """Batch number i is made of scenes drawn with the seed (seed, i)."""

    def __init__(
        self,
        synthesizer: SceneSynthesizer,
        labels: Sequence[int],
        teacher: TeacherScores | None,
        *,
        hop_samples: int,
        batch: int,
        n_batches: int,
        seed: int,
        first: int = 0,
    ) -> None:
        self.synthesizer, self.labels, self.teacher = synthesizer, np.asarray(labels), teacher
        self.hop_samples, self.batch, self.n_batches, self.seed, self.first = hop_samples, batch, n_batches, seed, first

    def __len__(self) -> int:
        return self.n_batches - self.first

    def __getitem__(self, index: int) -> Batch:
        """Batch number `first + index` of the run."""
        rng = np.random.default_rng([self.seed, self.first + index])
        return self.collate([self.synthesizer.draw(rng) for _ in range(self.batch)])

    def __iter__(self) -> Iterator[Batch]:
        return (self[i] for i in range(len(self)))

    def collate(self, scenes: Sequence[Scene]) -> Batch:
        """Scenes as tensors."""
        n_frames = len(scenes[0].waveform) // self.hop_samples
        hop_s = self.hop_samples / self.synthesizer.store.sample_rate_hz
        most = max(1, *(len(scene.events) for scene in scenes))
        active = np.zeros((len(scenes), most, n_frames), dtype=np.float32)
        labels = np.zeros((len(scenes), most), dtype=np.int64)
        for b, scene in enumerate(scenes):
            for e, event in enumerate(scene.events):
                active[b, e] = event.active_frames(n_frames, hop_s)
                labels[b, e] = self.labels[event.recording]
        ambience = [-1 if scene.ambience is None else int(self.labels[scene.ambience]) for scene in scenes]
        teacher, unknown = self._teach(scenes)
        waveform = np.stack([scene.waveform for scene in scenes])
        return Batch(*map(torch.from_numpy, (waveform, active, labels, np.asarray(ambience), teacher, unknown)))

    def _teach(self, scenes: Sequence[Scene]) -> tuple[np.ndarray, np.ndarray]:
        n_frames = len(scenes[0].waveform) // HOP_SAMPLES
        n_classes = self.teacher.scores.shape[1] if self.teacher else 0
        scores = np.zeros((len(scenes), n_frames, n_classes), dtype=np.float32)
        unknown = np.zeros((len(scenes), n_classes), dtype=bool)
        if self.teacher is None:
            return scores, unknown
        for b, scene in enumerate(scenes):
            for event in scene.events:
                np.maximum(scores[b], self.teacher.of_event(event, n_frames), out=scores[b])
            if scene.ambience is not None:
                unknown[b] = self.teacher.of_recording(scene.ambience) > 0.1
        return scores, unknown


def load_batches(batches: SceneBatches, workers: int) -> DataLoader[Batch]:
    """Batches in order, made in `workers` processes (0: in this one)."""
    return DataLoader(batches, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)
