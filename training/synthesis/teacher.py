"""The scores of a teacher for every frame of the recordings, and YAMNet as the teacher, with 521 sound classes."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch.nn import functional as F

from training.data.pack import AudioStore
from training.synthesis.scene import Event
from training.towers.compact import PATCH_SAMPLES, STEPS_PER_PATCH, Trunk
from training.towers.front_end import LogMel

HOP_S = 0.08
HOP_SAMPLES = 1280
"""One frame of the teacher: 80 ms at 16 kHz, two frames of the compact tower."""
CLASS_MAP = "yamnet_class_map.csv"
FRAMES_PER_PATCH = PATCH_SAMPLES // HOP_SAMPLES


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """A model of AudioSet's classes as a teacher. YAMNet is the pretrained weights of the compact tower, too."""

    kind: Literal["yamnet", "mn04"] = "yamnet"
    """The teacher: YAMNet with 521 classes, or EfficientAT's mn04 with 527 classes, which ranks the right class higher."""
    folder: Path | None = None
    """Folder of the teacher. YAMNet: `yamnet.safetensors` and `yamnet_class_map.csv`; a compact tower starts from these weights.
    mn04: `mn04_as.safetensors` and `class_labels_indices.csv`. None: no teacher."""
    warm_start_steps: int = 800
    """Steps of the warm start, which trains the maps into the shared space on YAMNet's features of clean recordings before
    the first scene (800 steps take about two minutes). 0, or a recipe with `start`: no warm start."""
    captions: Path | None = None
    """JSON Lines file with the captions of the teacher's classes. A class without an entry gets captions from a template."""


def class_names(file: Path) -> list[str]:
    """The names of classes from a CSV file with a column `display_name`, in the order of a classifier."""
    with file.open(newline="", encoding="utf-8") as lines:
        return [row["display_name"] for row in csv.DictReader(lines)]


@dataclass(frozen=True, slots=True)
class TeacherScores:
    """The teacher's scores and features of every recording of a store, in frames of 80 ms.

    Attributes:
        scores: class scores times 255, the frames of all recordings end to end, (F, C).
        features: the trunk's last map, averaged over mel bands and repeated for each frame, (F, 1024) for YAMNet.
        offsets: the frames of recording i are [offsets[i], offsets[i + 1]), (R + 1,).
    """

    scores: NDArray[np.uint8]
    features: NDArray[np.float16]
    offsets: NDArray[np.int64]

    def of_event(self, event: Event, n_frames: int) -> NDArray[np.float32]:
        """The teacher's scores of an event, in [0, 1], on the scene's grid of 80 ms; 0 in inactive frames: (n_frames, C)."""
        active = np.flatnonzero(event.active_frames(n_frames, HOP_S))
        source_s = event.source_onset_s + ((active + 0.5) * HOP_S - event.onset_s) * event.speed
        if event.loop_s:
            source_s %= event.loop_s
        scores = self._recording_scores(event.recording)
        result = np.zeros((n_frames, self.scores.shape[1]), dtype=np.float32)
        result[active] = scores[np.clip((source_s / HOP_S).astype(int), 0, len(scores) - 1)] / 255.0
        return result

    def of_recording(self, recording: int) -> NDArray[np.float32]:
        """The highest score of each class in a recording, in [0, 1]: (C,)."""
        return self._recording_scores(recording).max(axis=0) / np.float32(255.0)

    def _recording_scores(self, recording: int) -> NDArray[np.uint8]:
        """Class scores times 255 of all frames of a recording."""
        return self.scores[self.offsets[recording] : self.offsets[recording + 1]]


@torch.inference_mode()
def score_recordings(store: AudioStore, folder: Path) -> TeacherScores:
    """Runs YAMNet over all recordings of a store, each scaled to a peak of 1.

    It is about 500 times faster than real time on two CPU cores.
    """
    weights = load_file(folder / "yamnet.safetensors")
    front_end, trunk = LogMel(), Trunk().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stub
    trunk.load_yamnet(folder / "yamnet.safetensors")
    weight, bias = weights["classifier.weight"].float(), weights["classifier.bias"].float()
    scores: list[NDArray[np.uint8]] = []
    features: list[NDArray[np.float16]] = []
    for samples in store:
        samples = samples / max(float(np.abs(samples).max()), 1e-6)
        waveform = torch.from_numpy(np.pad(samples, (0, -len(samples) % PATCH_SAMPLES)))[None]
        log_mel = front_end(waveform)
        with torch.autocast("cpu", torch.bfloat16):
            steps = trunk.patch_maps(trunk.local_map(log_mel))[1][0].float()  # (3 P, 1024)
        patches = steps.unflatten(0, (-1, STEPS_PER_PATCH)).mean(dim=1)  # (P, 1024)
        patch_scores = torch.sigmoid(F.linear(patches, weight, bias)) * 255  # (P, C)
        scores.append(patch_scores.round().to(torch.uint8).repeat_interleave(FRAMES_PER_PATCH, dim=0).numpy())
        features.append(steps.repeat_interleave(FRAMES_PER_PATCH // STEPS_PER_PATCH, dim=0).half().numpy())
    offsets = np.cumsum([0, *(len(frames) for frames in scores)])
    return TeacherScores(np.concatenate(scores), np.concatenate(features), offsets)
