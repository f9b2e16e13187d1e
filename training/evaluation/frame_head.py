"""A head on the frame embeddings for each new sound: the other design that `training.evaluation.new_sounds` can measure.

`training.add_sound` learns a query embedding, which is a linear readout. This design learns a perceptron with one hidden layer
from the same frames. It would have to be added to the audio graph, with channels for its result.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from service.core.curves import smooth
from service.core.frame_grid import FrameGrid
from service.core.manifest import Manifest
from service.core.scoring import Calibration
from training.own_sounds.detections import ALARMS_PER_HOUR, OtherSounds
from training.own_sounds.learning import Float32, examples
from training.own_sounds.scenes import SoundScenes

HIDDEN = 64
STEPS = 400
BATCH = 4096
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class FrameHead:
    """A learnt head.

    Attributes:
        network: Maps frames (N, D) to logits (N, 1).
        calibration: Calibration of the model, which is undone, so that logits become evidence.
        shift: Is added to the logits.
    """

    network: nn.Module = field(repr=False)
    calibration: Calibration
    shift: float = 0.0

    @torch.no_grad()
    def evidence(self, frames: Float32) -> Float32:
        """Evidence of frames (..., D), from which scores are computed: (...)."""
        flat = torch.from_numpy(frames.reshape(-1, frames.shape[-1]).astype(np.float32, copy=False))
        logits = self.network(flat).numpy().reshape(frames.shape[:-1]) + np.float32(self.shift)
        return ((logits - self.calibration.bias) / self.calibration.scale).astype(np.float32)


def learn_head(scenes: SoundScenes, bank_frames: Float32, calibration: Calibration, seed: int = 0) -> FrameHead:
    """Learns a head from the same frames and weights as `learn_query`, with AdamW on random batches."""
    frames, targets, weights = examples(scenes, bank_frames)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(frames.shape[1], HIDDEN), nn.ReLU(), nn.Dropout(0.3), nn.Linear(HIDDEN, 1))
        optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        for _ in range(STEPS):
            rows = torch.randint(len(frames), (BATCH,))
            logits = network(frames[rows] * len(frames[0]) ** 0.5).squeeze(-1)
            loss = F.binary_cross_entropy_with_logits(logits, targets[rows], weights[rows] * len(frames))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        network[0].weight *= len(frames[0]) ** 0.5  # the factor that the inputs had
    return FrameHead(network.eval(), calibration)


def head_shift(head: FrameHead, others: OtherSounds, manifest: Manifest) -> float:
    """The shift with which about ALARMS_PER_HOUR scenes of other sounds per hour have a segment."""
    grid = FrameGrid(manifest.sample_rate_hz, manifest.hop_samples * others.step)
    evidence = smooth(head.evidence(others.frames), grid, manifest.postprocessing)
    peaks = np.sort(evidence.max(axis=1))[::-1]
    n_accepted = int(ALARMS_PER_HOUR * evidence.size * grid.hop_s / 3600)
    threshold = manifest.postprocessing.threshold
    logit = manifest.scale * peaks[min(n_accepted, len(peaks) - 1)] + manifest.bias
    return float(np.log(threshold / (1 - threshold)) - logit)
