"""A first map from sound to words: single frames of clean recordings, before any soundscape."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW
from tqdm import tqdm

from training.data.captions import POSITIVE, UNKNOWN
from training.data.pack import AudioStore
from training.losses.frames import frame_contrastive_losses, frame_sigmoid_loss
from training.model import LanguageAudioModel
from training.recipe import Recipe
from training.synthesis.teacher import TeacherScores
from training.synthesis.truth import BLOCK_S, active_blocks
from training.synthesis.vocabulary import Vocabulary
from training.towers.compact import CompactTower

FRAMES_PER_STEP = 2048
LEARNING_RATE = 2e-3
BLOCKS_PER_FRAME = round(0.08 / BLOCK_S)


def warm_start(
    model: LanguageAudioModel,
    store: AudioStore,
    teacher: TeacherScores,
    labels: Sequence[int],
    vocabulary: Vocabulary,
    recipe: Recipe,
    device: torch.device,
) -> None:
    """Trains the maps into the shared space on YAMNet's features of active frames, in place.

    The losses are those of the soundscapes. Every label is drawn as often as its number of recordings says,
    tempered as in the recipe.
    """
    rng = np.random.default_rng([recipe.seed, 1])
    frames, owner = active_frames(store, teacher)
    label = np.asarray(labels)[owner]
    weights = np.bincount(label)[label].astype(np.float64) ** (recipe.data.label_exponent - 1)
    weights /= np.sqrt(np.bincount(owner)[owner])
    cumulative = np.cumsum(weights / weights.sum())
    tower = _tower(model)
    maps = [tower.from_trunk, tower.norm, tower.output, model.projection]
    optimizer = AdamW([p for part in maps for p in part.parameters()] + [model.log_scale, model.bias], LEARNING_RATE)
    progress = tqdm(range(recipe.teacher.warm_start_steps), desc="warm start", unit="step")
    for step in progress:
        drawn = np.minimum(np.searchsorted(cumulative, rng.random(FRAMES_PER_STEP)), len(frames) - 1)
        features = torch.from_numpy(teacher.features[frames[drawn]].astype(np.float32)).to(device)
        scores = torch.from_numpy(teacher.scores[frames[drawn]].astype(np.float32) / 255.0).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            loss = _loss(model, features, scores, torch.from_numpy(label[drawn]), vocabulary, recipe, step)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / recipe.teacher.warm_start_steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            progress.set_postfix(loss=f"{float(loss.detach()):.3f}", scale=f"{float(model.scale.detach()):.2f}")


def active_frames(store: AudioStore, teacher: TeacherScores) -> tuple[np.ndarray, np.ndarray]:
    """The teacher's frames in which the recording is active, and the recording of each: two arrays (F,)."""
    frames: list[np.ndarray] = []
    for index, samples in enumerate(store):
        active = active_blocks(samples, store.sample_rate_hz)
        padded = np.pad(active, (0, -len(active) % BLOCKS_PER_FRAME)).reshape(-1, BLOCKS_PER_FRAME)
        n_frames = int(teacher.offsets[index + 1] - teacher.offsets[index])
        frames.append(teacher.offsets[index] + np.flatnonzero(padded.sum(axis=1)[:n_frames]))
    return np.concatenate(frames), np.repeat(np.arange(len(frames)), [len(own) for own in frames])


def _tower(model: LanguageAudioModel) -> CompactTower:
    """The model's tower: no other has a teacher."""
    assert isinstance(model.audio, CompactTower)
    return model.audio


def _loss(
    model: LanguageAudioModel,
    features: Tensor,
    scores: Tensor,
    labels: Tensor,
    vocabulary: Vocabulary,
    recipe: Recipe,
    step: int,
) -> Tensor:
    """The soundscapes' losses on single frames: features (F, 1024), the teacher's scores (F, C), labels (F,)."""
    generator = torch.Generator().manual_seed(step)
    embeddings = _tower(model).embed_patch_steps(features)[None]  # (1, F, D)
    captions = model.projection(vocabulary.bank.sample(generator).to(features.device))
    own = vocabulary.relation[labels].to(features.device)[None]  # (1, F, L)
    target, known = (own == POSITIVE).float(), torch.ne(own, UNKNOWN)
    logits = model.logits(embeddings @ captions.T, captions)
    loss = recipe.losses.label_sigmoid * frame_sigmoid_loss(logits, target, known)
    loss = loss + recipe.losses.label_contrastive * frame_contrastive_losses(logits, target, known).mean()
    if vocabulary.class_bank is None:
        return loss
    classes = model.projection(vocabulary.class_bank.sample(generator).to(features.device))
    doubted = vocabulary.related[labels].to(features.device) & (scores < 0.5)
    logits = model.logits(embeddings @ classes.T, classes)
    return loss + recipe.losses.teacher_sigmoid * frame_sigmoid_loss(logits, scores[None], ~doubted[None])
