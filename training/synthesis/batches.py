"""Batches of scenes. Each batch depends only on the seed and its index, so that a run can be resumed at any batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch.utils.data import Dataset

from training import seeds
from training.data.batch import CaptionedFrames, GlobalCaption
from training.data.scene_batch import SceneBatch
from training.synthesis.scene import Scene, SceneSynthesizer
from training.synthesis.teacher import HOP_SAMPLES, TeacherScores
from training.synthesis.truth import runs

AMBIENCE_SCORE = 0.1
"""The ambience of a scene may contain every class that the teacher scores higher than this, anywhere in its recording."""


@dataclass(frozen=True, slots=True)
class RecordingAnnotations:
    """Annotations of the recordings of a store.

    Attributes:
        labels: label index of each recording, (R,).
        captions: the captions of each label.
        teacher: the teacher's scores of each recording, or None without a teacher.
    """

    labels: NDArray[np.int64]
    captions: Sequence[Sequence[str]]
    teacher: TeacherScores | None = None


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The scenes that a run draws, and their division into batches.

    Attributes:
        size: number of scenes in a batch.
        count: number of batches.
        seed: seed of the run.
        different: number of different scenes, which are then repeated in the same order; 0 if every scene is new.
        shared_captions: whether all events of a label in a scene have the same caption. Otherwise each event has its own, and
            losses that compare captions of a batch take one event's caption as false of the other.
    """

    size: int
    count: int
    seed: int
    different: int = 0
    shared_captions: bool = False


class SceneBatches(Dataset[SceneBatch]):
    """A data set of batches. Batch i holds scenes i * size to (i + 1) * size - 1; scene j is drawn with the seed (seed, j).

    Each event has a random caption of its label. The caption of a scene joins the captions of its events.

    Args:
        synthesizer: draws the scenes.
        annotations: annotations of the recordings in the synthesizer's store.
        hop_samples: samples of one frame.
        plan: which scenes are drawn.
    """

    def __init__(
        self, synthesizer: SceneSynthesizer, annotations: RecordingAnnotations, hop_samples: int, plan: BatchPlan
    ) -> None:
        self.synthesizer, self.annotations, self.hop_samples, self.plan = synthesizer, annotations, hop_samples, plan

    def __len__(self) -> int:
        return self.plan.count

    def __getitem__(self, index: int) -> SceneBatch:
        """Batch `index` of the run."""
        plan = self.plan
        n_different = plan.different or plan.size * plan.count
        numbers = [(index * plan.size + b) % n_different for b in range(plan.size)]
        generators = [np.random.default_rng(seeds.numbered(plan.seed, number)) for number in numbers]
        scenes = [self.synthesizer.draw(rng) for rng in generators]
        captions = [self._draw_captions(scene, rng) for scene, rng in zip(scenes, generators, strict=True)]
        return self.collate(scenes, captions)

    def __iter__(self) -> Iterator[SceneBatch]:
        return (self[i] for i in range(len(self)))

    def collate(self, scenes: Sequence[Scene], captions: Sequence[Sequence[str]]) -> SceneBatch:
        """Scenes, and the captions of each scene's events, as one batch of tensors."""
        n_frames = len(scenes[0].waveform) // self.hop_samples
        hop_s = self.hop_samples / self.synthesizer.store.sample_rate_hz
        most_events = max(1, *(len(scene.events) for scene in scenes))
        label_of = self.annotations.labels
        active = np.zeros((len(scenes), most_events, n_frames), dtype=np.float32)
        labels = np.zeros((len(scenes), most_events), dtype=np.int64)
        events: list[CaptionedFrames] = []
        for b, scene in enumerate(scenes):
            for e, event in enumerate(scene.events):
                active[b, e] = event.active_frames(n_frames, hop_s)
                labels[b, e] = label_of[event.recording]
                events += [CaptionedFrames(b, start, end, captions[b][e]) for start, end in runs(active[b, e] > 0)]
        ambience = [-1 if scene.ambience is None else int(label_of[scene.ambience]) for scene in scenes]
        scores, unknown = self._teacher_scores(scenes)
        return SceneBatch(
            waveform=torch.from_numpy(np.stack([scene.waveform for scene in scenes])),
            valid_frames=torch.full((len(scenes),), n_frames),
            n_frames=n_frames,
            captions=tuple(GlobalCaption(b, joined(texts)) for b, texts in enumerate(captions) if texts),
            events=tuple(events),
            event_active=torch.from_numpy(active),
            labels=torch.from_numpy(labels),
            ambience=torch.tensor(ambience),
            teacher=torch.from_numpy(scores),
            teacher_unknown=torch.from_numpy(unknown),
        )

    def _draw_captions(self, scene: Scene, rng: Generator) -> list[str]:
        """A random caption of each event's label."""
        labels = [int(self.annotations.labels[event.recording]) for event in scene.events]
        captions_of = self.annotations.captions
        if not self.plan.shared_captions:
            return [str(captions_of[label][int(rng.integers(len(captions_of[label])))]) for label in labels]
        drawn = {
            label: captions_of[label][int(rng.integers(len(captions_of[label])))] for label in dict.fromkeys(labels)
        }
        return [str(drawn[label]) for label in labels]

    def _teacher_scores(self, scenes: Sequence[Scene]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The teacher's scores (B, T / 2, C) of the events, and the classes (B, C) that the ambience may contain."""
        teacher = self.annotations.teacher
        n_frames = len(scenes[0].waveform) // HOP_SAMPLES
        n_classes = teacher.scores.shape[1] if teacher else 0
        scores = np.zeros((len(scenes), n_frames, n_classes), dtype=np.float32)
        unknown = np.zeros((len(scenes), n_classes), dtype=bool)
        if teacher is None:
            return scores, unknown
        for b, scene in enumerate(scenes):
            for event in scene.events:
                np.maximum(scores[b], teacher.of_event(event, n_frames), out=scores[b])
            if scene.ambience is not None and not scene.ambience_is_event:
                unknown[b] = teacher.of_recording(scene.ambience) > AMBIENCE_SCORE
        return scores, unknown


def joined(captions: Sequence[str]) -> str:
    """Several captions as one sentence, without repetitions.

    >>> joined(["a dog barks", "rain falls", "a dog barks", "a door slams"])
    'a dog barks, rain falls and a door slams'
    """
    *first, last = dict.fromkeys(captions)
    return f"{', '.join(first)} and {last}" if first else last
