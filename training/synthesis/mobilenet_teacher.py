"""EfficientAT's MobileNet as a teacher: its scores of the 527 classes of AudioSet for every frame of the recordings.

EfficientAT (MIT licence, arXiv 2211.04772) classifies clips of 10 s. Here its last map is averaged over a few seconds around each
step before the classifier, because the scores of single steps are much worse: see `REACH_STEPS`.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from training.data.pack import AudioStore
from training.synthesis.teacher import HOP_SAMPLES, TeacherScores
from training.towers.front_end import HOP_SAMPLES as MEL_HOP_SAMPLES
from training.towers.front_end import WideLogMel
from training.towers.pyramid import TAPS, MobileNetTrunk

WIDTH = 0.4
WEIGHTS = "mn04_as.safetensors"
CLASSES = "class_labels_indices.csv"
STEP_SAMPLES = TAPS[-1].stride * MEL_HOP_SAMPLES
"""Samples of a step of the last map: 320 ms at 16 kHz."""
FRAMES_PER_STEP = STEP_SAMPLES // HOP_SAMPLES
LONGEST_STEPS = 32
"""Longer recordings are scored in pieces of this length, 10.24 s, with which EfficientAT was trained."""
REACH_STEPS = 8
"""The last map is averaged over this number of steps on either side, 2.6 s. Over 220 clean recordings of ESC-50 and speech, the
right class is among the first three of 527 for 43 % of single steps, 69 % of averages over 1.3 s on either side, and 73 % of
whole recordings."""


@torch.inference_mode()
def score_with_mobilenet(store: AudioStore, folder: Path) -> TeacherScores:
    """Runs EfficientAT's MobileNet over all recordings of a store at 16 kHz, each scaled to a peak of 1.

    Args:
        store: the recordings.
        folder: folder with `mn04_as.safetensors`.
    """
    weights = load_file(folder / WEIGHTS)
    front_end, trunk = WideLogMel(), MobileNetTrunk(WIDTH, squeeze_s=0.0).eval()
    trunk.load_state_dict({name: w for name, w in weights.items() if name.startswith("features.")}, strict=False)
    scores: list[NDArray[np.uint8]] = []
    features: list[NDArray[np.float16]] = []
    for samples in store:
        samples = samples / max(float(np.abs(samples).max()), 1e-6)
        n_steps = -(-len(samples) // STEP_SAMPLES)
        waveform = torch.from_numpy(np.pad(samples, (0, n_steps * STEP_SAMPLES - len(samples))))[None]
        pieces = [trunk(front_end(piece))[-1][0] for piece in waveform.split(LONGEST_STEPS * STEP_SAMPLES, dim=1)]
        steps = torch.cat(pieces)  # (J, C)
        step_scores = classify(averaged(steps, max(1, len(samples) // STEP_SAMPLES)), weights) * 255  # (J, 527)
        scores.append(step_scores.round().to(torch.uint8).repeat_interleave(FRAMES_PER_STEP, dim=0).numpy())
        features.append(steps.repeat_interleave(FRAMES_PER_STEP, dim=0).half().numpy())
    offsets = np.cumsum([0, *(len(frames) for frames in scores)])
    return TeacherScores(np.concatenate(scores), np.concatenate(features), offsets)


def averaged(steps: Tensor, n_valid: int) -> Tensor:
    """The mean of the first `n_valid` steps within REACH_STEPS of each step, (J, C); the others get that of the last of them."""
    width = 2 * REACH_STEPS + 1
    means = F.avg_pool1d(steps[:n_valid].T[None], width, stride=1, padding=REACH_STEPS, count_include_pad=False)[0].T
    return torch.cat([means, means[-1:].expand(len(steps) - n_valid, -1)])


def classify(features: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """EfficientAT's classifier: features (J, C) to class scores in [0, 1], (J, classes)."""
    hidden = F.hardswish(F.linear(features, weights["classifier.2.weight"], weights["classifier.2.bias"]))
    return torch.sigmoid(F.linear(hidden, weights["classifier.5.weight"], weights["classifier.5.bias"]))
