"""The warm start: trains the maps from sound and text into the shared space on single frames, before the first scene."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.optim import AdamW
from tqdm import tqdm

from training import seeds
from training.data.captions import POSITIVE, UNKNOWN
from training.data.pack import AudioStore
from training.losses.frames import frame_contrastive_losses, frame_sigmoid_loss
from training.losses.targets import DOUBTED_SCORE
from training.losses.weights import LossWeights
from training.model import LanguageAudioModel
from training.synthesis.scene_source import SceneSource, label_weights
from training.synthesis.teacher import HOP_S, TeacherScores
from training.synthesis.truth import BLOCK_S, active_blocks
from training.synthesis.vocabulary import Vocabulary
from training.towers.compact import CompactTower

FRAMES_PER_STEP = 2048
LEARNING_RATE = 2e-3
BLOCKS_PER_FRAME = round(HOP_S / BLOCK_S)


@dataclass(frozen=True, slots=True)
class Frames:
    """F frames of clean recordings.

    Attributes:
        features: the teacher's features, (F, 1024).
        scores: the teacher's class scores in [0, 1], (F, C).
        labels: label index of each frame's recording, on the CPU, (F,).
    """

    features: Tensor
    scores: Tensor
    labels: Tensor


def warm_start(
    model: LanguageAudioModel, source: SceneSource, weights: LossWeights, steps: int, device: torch.device
) -> None:
    """Trains the maps into the shared space, in place, on the teacher's features of active frames.

    The losses are the label losses and the teacher's loss of the training on scenes, without the overlap loss. A frame is
    drawn in proportion to n ** (label_exponent - 1) / sqrt(m), where n is the number of frames of its label, m is the
    number of frames of its recording, and `label_exponent` is `data.label_exponent` of the recipe.

    Args:
        model: a model with a compact tower.
        source: the recordings of the run, with the teacher's scores.
        weights: how much each loss counts.
        steps: number of steps; the learning rate falls linearly to 0.
        device: the device of the model.
    """
    recordings, vocabulary = source.recordings, source.vocabulary
    teacher = recordings.teacher
    assert teacher is not None, "only a run with a teacher has a warm start"
    rng = np.random.default_rng(seeds.warm_start(source.seed))
    frames, recording = active_frames(recordings.store, teacher)
    label = recordings.labels[recording]
    frame_weights = label_weights(label, source.data.label_exponent)
    frame_weights /= np.sqrt(np.bincount(recording)[recording])
    cumulative = np.cumsum(frame_weights / frame_weights.sum())
    tower = _compact_tower(model)
    maps = [tower.from_trunk, tower.norm, tower.output, model.projection]
    optimizer = AdamW([p for part in maps for p in part.parameters()] + [model.log_scale, model.bias], LEARNING_RATE)
    progress = tqdm(range(steps), desc="warm start", unit="step")
    for step in progress:
        drawn = np.minimum(np.searchsorted(cumulative, rng.random(FRAMES_PER_STEP)), len(frames) - 1)
        features = torch.from_numpy(teacher.features[frames[drawn]].astype(np.float32)).to(device)
        scores = torch.from_numpy(teacher.scores[frames[drawn]].astype(np.float32) / 255.0).to(device)
        generator = Generator().manual_seed(seeds.warm_start_captions(step))
        with torch.autocast(device.type, torch.bfloat16):
            batch = Frames(features, scores, torch.from_numpy(label[drawn]))
            loss = _weighted_loss(model, batch, vocabulary, weights, generator)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            progress.set_postfix(loss=f"{float(loss.detach()):.3f}", scale=f"{float(model.scale.detach()):.2f}")


def active_frames(store: AudioStore, teacher: TeacherScores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The teacher's frames in which a recording is active.

    Returns:
        Index of each active frame in the teacher's arrays, and the recording of each active frame: two arrays (F,).
    """
    frames: list[NDArray[np.int64]] = []
    for index, samples in enumerate(store):
        active = active_blocks(samples, store.sample_rate_hz)
        padded = np.pad(active, (0, -len(active) % BLOCKS_PER_FRAME)).reshape(-1, BLOCKS_PER_FRAME)
        n_frames = int(teacher.offsets[index + 1] - teacher.offsets[index])
        frames.append(teacher.offsets[index] + np.flatnonzero(padded.sum(axis=1)[:n_frames]))
    return np.concatenate(frames), np.repeat(np.arange(len(frames)), [len(part) for part in frames])


def _compact_tower(model: LanguageAudioModel) -> CompactTower:
    """The model's audio tower; a recipe with a teacher has a compact tower."""
    assert isinstance(model.audio, CompactTower)
    return model.audio


def _weighted_loss(
    model: LanguageAudioModel, frames: Frames, vocabulary: Vocabulary, weights: LossWeights, generator: Generator
) -> Tensor:
    """The weighted sum of the label losses and the teacher's loss on single frames; the generator draws the captions."""
    device = frames.features.device
    embeddings = _compact_tower(model).embed_patch_steps(frames.features)[None]  # (1, F, D)
    captions = model.projection(vocabulary.bank.sample(generator).to(device))  # (L, D)
    relation = vocabulary.relation[frames.labels].to(device)[None]  # (1, F, L)
    target, known = (relation == POSITIVE).float(), torch.ne(relation, UNKNOWN)
    logits = model.logits(embeddings @ captions.T, captions)  # (1, F, L)
    loss = weights.label_sigmoid * frame_sigmoid_loss(logits, target, known)
    loss = loss + weights.label_contrastive * frame_contrastive_losses(logits, target, known).mean()
    if vocabulary.class_bank is None:
        return loss
    classes = model.projection(vocabulary.class_bank.sample(generator).to(device))  # (C, D)
    doubted = vocabulary.related[frames.labels].to(device) & (frames.scores < DOUBTED_SCORE)  # (F, C)
    logits = model.logits(embeddings @ classes.T, classes)  # (1, F, C)
    return loss + weights.teacher_sigmoid * frame_sigmoid_loss(logits, frames.scores[None], ~doubted[None])
