"""Learns the query of a new sound: an embedding whose scores are high in its scenes and low in scenes of other sounds.

The audio tower stays as it is. The embedding is a linear readout of its frame embeddings, trained like a logistic regression
whose weights have unit norm.

Letters of shapes: N frames, D channels of an embedding.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from service.core.manifest import Manifest
from training.own_sounds.scenes import SoundScenes

Float32 = NDArray[np.float32]
BANK_WEIGHT = 2.0
"""Weight of all frames of the sound bank, relative to all frames in which the new sound is heard."""
PAUSE_WEIGHT = 0.5
"""Weight of all frames of the sound's scenes in which it is not heard."""
MAX_ITERATIONS = 40


@dataclass(frozen=True, slots=True, eq=False)
class LearntQuery:
    """The encoded query of a sound.

    Attributes:
        embedding: Unit-norm embedding, (D,).
        sigmoid: Scale and bias of the query, (2,), if the model has a sigmoid for each query.
    """

    embedding: Float32
    sigmoid: Float32 | None = None

    def evidence(self, frames: Float32) -> Float32:
        """Evidence of frames (..., D), from which scores are computed: (...)."""
        similarity = frames @ self.embedding
        return similarity if self.sigmoid is None else self.sigmoid[0] * similarity + self.sigmoid[1]


def learn_query(scenes: SoundScenes, bank_frames: Float32, start: LearntQuery, manifest: Manifest) -> LearntQuery:
    """Learns the query of a sound.

    Args:
        scenes: Scenes of the sound.
        bank_frames: Frame embeddings of other sounds, (..., D).
        start: The model's query for the name of the sound.
        manifest: Facts about the model.
    """
    frames, targets, weights = examples(scenes, bank_frames)
    calibration = manifest.calibration
    embedding = torch.from_numpy(start.embedding.copy()).requires_grad_()
    sigmoid = None if start.sigmoid is None else torch.from_numpy(start.sigmoid.copy())
    bias = torch.zeros((), requires_grad=True)
    parameters = [embedding] if sigmoid is None else [embedding, bias]
    optimizer = torch.optim.LBFGS(parameters, max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        evidence = frames @ F.normalize(embedding, dim=0)
        if sigmoid is not None:
            evidence = sigmoid[0] * evidence + sigmoid[1] + bias
        logits = calibration.scale * evidence + calibration.bias
        value = F.binary_cross_entropy_with_logits(logits, targets, weights, reduction="sum")
        value.backward()
        return value

    optimizer.step(loss)
    learnt = F.normalize(embedding.detach(), dim=0).numpy()
    if sigmoid is None:
        return LearntQuery(learnt)
    return LearntQuery(learnt, torch.stack([sigmoid[0], sigmoid[1] + bias.detach()]).numpy())


def examples(scenes: SoundScenes, bank_frames: Float32) -> tuple[Tensor, Tensor, Tensor]:
    """Frames (N, D), whether the sound is heard in them (N,), and their weights (N,).

    All recordings have the same weight, however long the sound is heard in them.
    """
    active = scenes.active.reshape(-1)
    recording = np.repeat(scenes.recording, scenes.active.shape[1])
    own = np.zeros(len(active), np.float64)
    for heard, total in ((True, 1.0), (False, PAUSE_WEIGHT)):
        chosen = active == heard
        counts = np.bincount(recording[chosen], minlength=recording.max() + 1)
        own[chosen] = total / max(1, np.count_nonzero(counts)) / counts[recording[chosen]]
    bank = bank_frames.reshape(-1, bank_frames.shape[-1])
    weights = np.concatenate([own, np.full(len(bank), BANK_WEIGHT / max(1, len(bank)))])
    frames = np.concatenate([scenes.frames.reshape(-1, bank.shape[1]), bank])
    targets = np.concatenate([active, np.zeros(len(bank), dtype=bool)])
    return (
        torch.from_numpy(frames.astype(np.float32, copy=False)),
        torch.from_numpy(targets.astype(np.float32)),
        torch.from_numpy(weights.astype(np.float32)),
    )


def blended(learnt: LearntQuery, start: LearntQuery, share: float) -> LearntQuery:
    """A query between a learnt query (share 0) and the query that it started from (share 1)."""
    embedding = (1 - share) * learnt.embedding + share * start.embedding
    unit = (embedding / np.linalg.norm(embedding)).astype(np.float32)
    if learnt.sigmoid is None or start.sigmoid is None:
        return LearntQuery(unit)
    return LearntQuery(unit, ((1 - share) * learnt.sigmoid + share * start.sigmoid).astype(np.float32))


def constant_direction(bank_frames: Float32) -> Float32:
    """The unit direction (D,) along which all frame embeddings have nearly the same component.

    A centred model has a constant channel, which is this direction exactly.
    """
    flat = bank_frames.reshape(-1, bank_frames.shape[-1]).astype(np.float64)
    mean = flat.mean(axis=0)
    covariance = np.cov(flat.T) + 1e-6 * np.eye(len(mean))
    direction = np.linalg.solve(covariance, mean)
    return (direction / np.linalg.norm(direction)).astype(np.float32)


def shifted(query: LearntQuery, shift: float, direction: Float32) -> LearntQuery:
    """The query with all similarities moved by about the same amount, up for positive shifts.

    A query with a sigmoid of its own has its bias moved instead.
    """
    if query.sigmoid is not None:
        return replace(query, sigmoid=query.sigmoid + np.array([0.0, query.sigmoid[0] * shift], np.float32))
    moved = query.embedding + np.float32(shift) * direction
    return LearntQuery((moved / np.linalg.norm(moved)).astype(np.float32))
