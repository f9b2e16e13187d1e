"""YAMNet's own class scores on the recordings: free frame-level labels for 521 sound classes."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch.nn import functional as F

from training.data.pack import AudioStore
from training.synthesis.scene import Event
from training.towers.compact import PATCH_SAMPLES, STEPS_PER_PATCH, Trunk
from training.towers.front_end import LogMel

HOP_SAMPLES = 1280
"""One teacher frame: 80 ms at 16 kHz, two frames of the compact tower."""
FRAMES_PER_PATCH = PATCH_SAMPLES // HOP_SAMPLES


def class_names(folder: Path) -> list[str]:
    """The 521 AudioSet class names, in the order of the classifier."""
    with (folder / "yamnet_class_map.csv").open(newline="", encoding="utf-8") as file:
        return [row["display_name"] for row in csv.DictReader(file)]


@dataclass(frozen=True, slots=True)
class TeacherScores:
    """What YAMNet hears in every recording of a store, every 80 ms.

    Attributes:
        scores: class scores in 1/255, of all frames end to end, (F, C).
        features: the trunk's last map, three steps a patch, averaged over mel, (F, 1024).
        offsets: recording i owns the frames [offsets[i], offsets[i + 1]).
    """

    scores: NDArray[np.uint8]
    features: NDArray[np.float16]
    offsets: NDArray[np.int64]

    def of_event(self, event: Event, n_frames: int) -> NDArray[np.float32]:
        """The teacher's scores of an event where it is active, on the scene's grid of 80 ms: (n_frames, C)."""
        hop_s = 0.08
        active = np.flatnonzero(event.active_frames(n_frames, hop_s))
        source_s = event.source_onset_s + ((active + 0.5) * hop_s - event.onset_s) * event.speed
        own = self.scores[self.offsets[event.recording] : self.offsets[event.recording + 1]]
        result = np.zeros((n_frames, self.scores.shape[1]), dtype=np.float32)
        result[active] = own[np.clip((source_s / hop_s).astype(int), 0, len(own) - 1)] / 255.0
        return result

    def of_recording(self, recording: int) -> NDArray[np.float32]:
        """The largest score of each class in a recording: (C,)."""
        return self.scores[self.offsets[recording] : self.offsets[recording + 1]].max(axis=0) / np.float32(255.0)


@torch.inference_mode()
def score_recordings(store: AudioStore, folder: Path) -> TeacherScores:
    """Runs YAMNet over a store (about 500 times faster than real time on two cores)."""
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
        own = torch.sigmoid(F.linear(patches, weight, bias)) * 255
        scores.append(own.round().to(torch.uint8).repeat_interleave(FRAMES_PER_PATCH, dim=0).numpy())
        features.append(steps.repeat_interleave(FRAMES_PER_PATCH // STEPS_PER_PATCH, dim=0).half().numpy())
    offsets = np.cumsum([0, *(len(own) for own in scores)])
    return TeacherScores(np.concatenate(scores), np.concatenate(features), offsets)
