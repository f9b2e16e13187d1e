"""Batches of scenes, each a pure function of the seed and its number, so that a run can go on where it stopped."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.random import Generator
from torch.utils.data import Dataset

from training.data.batch import CaptionedFrames, GlobalCaption
from training.data.scene_batch import SceneBatch
from training.synthesis.scene import Scene, SceneSynthesizer
from training.synthesis.teacher import HOP_SAMPLES, TeacherScores
from training.synthesis.truth import runs


class SceneBatches(Dataset[SceneBatch]):
    """Batch number i is made of scenes `i * batch` and following; scene j is drawn with the seed (seed, j).

    With `different` scenes (0: as many as there are), they come again and again in the same order.

    An event has one of its label's `captions`, drawn anew for every scene, and a scene has those of its events, joined.
    """

    def __init__(
        self,
        synthesizer: SceneSynthesizer,
        labels: Sequence[int],
        captions: Sequence[Sequence[str]],
        teacher: TeacherScores | None,
        *,
        hop_samples: int,
        batch: int,
        n_batches: int,
        seed: int,
        different: int = 0,
    ) -> None:
        self.synthesizer, self.labels, self.captions, self.teacher = synthesizer, np.asarray(labels), captions, teacher
        self.hop_samples, self.batch, self.n_batches, self.seed = hop_samples, batch, n_batches, seed
        self.different = different or batch * n_batches

    def __len__(self) -> int:
        return self.n_batches

    def __getitem__(self, index: int) -> SceneBatch:
        """Batch number `index` of the run."""
        first_scene = index * self.batch
        numbers = [(first_scene + b) % self.different for b in range(self.batch)]
        generators = [np.random.default_rng([self.seed, number]) for number in numbers]
        scenes = [self.synthesizer.draw(rng) for rng in generators]
        return self.collate(scenes, [self._captions(scene, rng) for scene, rng in zip(scenes, generators, strict=True)])

    def __iter__(self) -> Iterator[SceneBatch]:
        return (self[i] for i in range(len(self)))

    def collate(self, scenes: Sequence[Scene], captions: Sequence[Sequence[str]]) -> SceneBatch:
        """Scenes as tensors, with one caption an event."""
        n_frames = len(scenes[0].waveform) // self.hop_samples
        hop_s = self.hop_samples / self.synthesizer.store.sample_rate_hz
        most = max(1, *(len(scene.events) for scene in scenes))
        active = np.zeros((len(scenes), most, n_frames), dtype=np.float32)
        labels = np.zeros((len(scenes), most), dtype=np.int64)
        regions: list[CaptionedFrames] = []
        for b, scene in enumerate(scenes):
            for e, event in enumerate(scene.events):
                active[b, e] = event.active_frames(n_frames, hop_s)
                labels[b, e] = self.labels[event.recording]
                regions += [CaptionedFrames(b, start, end, captions[b][e]) for start, end in runs(active[b, e] > 0)]
        ambience = [-1 if scene.ambience is None else int(self.labels[scene.ambience]) for scene in scenes]
        teacher, unknown = self._teach(scenes)
        return SceneBatch(
            waveform=torch.from_numpy(np.stack([scene.waveform for scene in scenes])),
            valid_frames=torch.full((len(scenes),), n_frames),
            n_frames=n_frames,
            captions=tuple(GlobalCaption(b, joined(own)) for b, own in enumerate(captions) if own),
            events=tuple(regions),
            event_active=torch.from_numpy(active),
            labels=torch.from_numpy(labels),
            ambience=torch.tensor(ambience),
            teacher=torch.from_numpy(teacher),
            teacher_unknown=torch.from_numpy(unknown),
        )

    def _captions(self, scene: Scene, rng: Generator) -> list[str]:
        """A caption of each event."""
        choices = [self.captions[self.labels[event.recording]] for event in scene.events]
        return [str(own[int(rng.integers(len(own)))]) for own in choices]

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


def joined(captions: Sequence[str]) -> str:
    """Several captions as one, each once.

    >>> joined(["a dog barks", "rain falls", "a dog barks", "a door slams"])
    'a dog barks, rain falls and a door slams'
    """
    *others, last = dict.fromkeys(captions)
    return f"{', '.join(others)} and {last}" if others else last
