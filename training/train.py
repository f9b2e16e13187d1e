"""Trains a model: `python -m training.train training/recipes/compact.toml --out runs/compact`.

Paths can be given on the command line:
`python -m training.train training/recipes/compact.toml --out runs/compact --set data.folder=FOLDER
--set teacher.folder=FOLDER`. A run that was stopped, at whatever moment, goes on when the same command is given
again. TensorBoard reads `runs/`.
"""

import argparse
import copy
import itertools
import logging
import math
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from training.data.pack import AudioStore, Recording, read_table
from training.from_bundle import bundle_weights
from training.losses import frame_contrastive_loss, frame_sigmoid_loss, overlap_loss
from training.model import LanguageAudioModel
from training.recipe import OptimizationConfig, Recipe, read_recipe, recipe_to_dict
from training.synthesis.batches import Batch, SceneBatches, load_batches
from training.synthesis.scene import SceneSynthesizer
from training.targets import label_targets, teacher_targets
from training.teacher import TeacherScores, class_names, score_recordings
from training.towers.choice import tower_class
from training.towers.text import SentenceEncoder
from training.towers.tower import AudioTower
from training.vocabulary import Vocabulary, build_vocabulary
from training.warm_start import warm_start

logger = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.pt"
CENTRE_BATCHES = 16


def train(recipe: Recipe, out: Path) -> Path:
    """Trains, or goes on with, the run in `out`; returns the checkpoint's path."""
    config, device = recipe.optimization, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recordings = [r for r in read_table(recipe.data.folder) if r.split == "train"]
    store = AudioStore.decode(recordings, tower_class(recipe.audio).sample_rate_hz)
    encoder = SentenceEncoder(recipe.text)
    teacher = score_recordings(store, recipe.teacher.folder) if recipe.teacher.folder else None
    vocabulary = prepare_vocabulary(recipe, recordings, encoder)
    logger.info(
        "%d recordings, %d labels, %d captions", len(store), len(vocabulary.labels), len(vocabulary.bank.sentences)
    )

    torch.manual_seed(recipe.seed)
    model = LanguageAudioModel(recipe, encoder)
    check_length(model.audio, recipe.scenes.scene_s)
    if recipe.pretrained:
        model.audio.load_pretrained(recipe.pretrained)
    model = model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stub
    if recipe.start:
        model.load_state_dict(starting_weights(recipe.start, model))
    elif teacher and not (out / CHECKPOINT).is_file():
        warm_start(model, store, teacher, recording_labels(recordings, vocabulary), vocabulary, recipe, device)
    optimizer = make_optimizer(model, config)
    average = copy.deepcopy(model).requires_grad_(requires_grad=False)
    step = resume(out / CHECKPOINT, recipe, model, average, optimizer)

    batches = scene_batches(recipe, recordings, store, vocabulary, teacher, first=step)
    learner = Learner(model, vocabulary, recipe, device)
    writer, saved_at = SummaryWriter(str(out)), time.monotonic()
    progress = tqdm(load_batches(batches, recipe.data.workers), total=config.steps, initial=step, unit="batch")
    for batch in progress:
        torch.manual_seed(recipe.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(step, config)
        losses = learner.losses(batch.to(device), step)
        loss = torch.stack([learner.weights[name] * value for name, value in losses.items()]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        step += 1
        update_average(average, model, min(config.average, (step + 1) / (step + 10)))
        report(writer, progress, step, losses, model, config.batch)
        if time.monotonic() - saved_at > config.checkpoint_every_s or step == config.steps:
            save(out / CHECKPOINT, recipe, model, average, optimizer, step)
            saved_at = time.monotonic()
    writer.close()
    if average.centre is not None:
        average.centre.copy_(
            mean_frame(average, scene_batches(recipe, recordings, store, vocabulary, teacher, first=0), device)
        )
    save(out / CHECKPOINT, recipe, model, average, optimizer, step)
    return out / CHECKPOINT


def check_length(tower: AudioTower, scene_s: float) -> None:
    """Raises ValueError if the tower takes no scenes of this length."""
    n_frames = tower.grid.n_frames(tower.grid.samples_for(scene_s))
    next_s = tower.grid.duration_s(tower.grid.n_samples(tower.lengths.at_least(n_frames)))
    if round(1000 * next_s) != round(1000 * scene_s):
        raise ValueError(
            f"scenes.scene_s is {scene_s} s, {n_frames} frames; the next length that {type(tower).__name__} takes is {next_s} s"
        )


def starting_weights(start: Path, model: LanguageAudioModel) -> dict[str, Tensor]:
    """The averaged weights of an earlier run's checkpoint, or those of a bundle's folder."""
    if start.is_dir():
        return bundle_weights(start, model)
    return torch.load(start, map_location="cpu", weights_only=True)["average"]


@dataclass(frozen=True, slots=True)
class Learner:
    """What a step needs beside the batch: the model, what is said, and how it is augmented."""

    model: LanguageAudioModel
    vocabulary: Vocabulary
    recipe: Recipe
    device: torch.device

    @property
    def weights(self) -> dict[str, float]:
        """What each loss counts."""
        return {
            "label": 1.0,
            "contrastive": self.recipe.optimization.contrastive_weight,
            "overlap": self.recipe.optimization.overlap_weight,
            "teacher": self.recipe.teacher.weight,
        }

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The losses on the labels' captions and, with a teacher, on its classes' captions, unweighted."""
        config, vocabulary, model = self.recipe.optimization, self.vocabulary, self.model
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)
        precision = {"bf16": torch.bfloat16, "fp32": torch.float32}[config.precision]
        with torch.autocast(self.device.type, precision, enabled=precision != torch.float32):
            frames = model.audio.embed(mask(model.audio.spectrogram(batch.waveform), config))  # (B, T, D)
            captions = model.projection(self._noisy(vocabulary.bank.sample(generator)))  # (L, D)
            similarity = frames @ captions.T  # (B, T, L)
            target, known = label_targets(batch, vocabulary.relation.to(self.device))
            losses = {
                "label": frame_sigmoid_loss(similarity.float(), target, known, model.scale, model.bias),
                "contrastive": frame_contrastive_loss(similarity.float(), target, known, model.scale),
                "overlap": overlap_loss(similarity.float(), target, known, model.scale, model.bias),
            }
            if vocabulary.class_bank is not None:
                classes = model.projection(self._noisy(vocabulary.class_bank.sample(generator)))  # (C, D)
                similarity = frames.unflatten(1, (-1, 2)).mean(dim=2) @ classes.T  # (B, T / 2, C)
                target, known = teacher_targets(batch, vocabulary.related.to(self.device))
                losses["teacher"] = frame_sigmoid_loss(similarity.float(), target, known, model.scale, model.bias)
        return losses

    def _noisy(self, sentences: Tensor) -> Tensor:
        """Sentence embeddings a little off, so that the projection learns neighbourhoods and not points."""
        noise = torch.randn(sentences.shape, device=self.device) * self.recipe.optimization.sentence_noise
        return F.normalize(sentences.to(self.device) + noise, dim=-1)


def mask(log_mel: Tensor, config: OptimizationConfig) -> Tensor:
    """SpecAugment (arXiv 1904.08779): a stretch of time and a band of mel, each at the spectrogram's mean, per scene."""
    batch, n_frames, n_bands = log_mel.shape
    time_frames, bands = round(config.time_mask_s * 100), config.mel_mask_bands
    keep = torch.ones_like(log_mel[:, :, :1]).expand_as(log_mel).clone()
    for b in range(batch):
        length, width = int(torch.randint(time_frames + 1, ())), int(torch.randint(bands + 1, ()))
        start, low = int(torch.randint(n_frames - length + 1, ())), int(torch.randint(n_bands - width + 1, ()))
        keep[b, start : start + length] = 0
        keep[b, :, low : low + width] = 0
    return log_mel * keep + log_mel.mean(dim=(1, 2), keepdim=True) * (1 - keep)


def prepare_vocabulary(recipe: Recipe, recordings: Sequence[Recording], encoder: SentenceEncoder) -> Vocabulary:
    """The captions of a recipe."""
    classes = class_names(recipe.teacher.folder) if recipe.teacher.folder else []
    return build_vocabulary(recordings, recipe.data.captions, classes, recipe.teacher.captions, encoder)


def recording_labels(recordings: Sequence[Recording], vocabulary: Vocabulary) -> list[int]:
    """The number of each recording's label."""
    index = vocabulary.index()
    return [index[r.label] for r in recordings]


def scene_batches(
    recipe: Recipe,
    recordings: Sequence[Recording],
    store: AudioStore,
    vocabulary: Vocabulary,
    teacher: TeacherScores | None,
    first: int,
) -> SceneBatches:
    """The run's batches from number `first` on."""
    labels = recording_labels(recordings, vocabulary)
    weights = np.bincount(labels)[labels].astype(np.float64) ** (recipe.data.label_exponent - 1)
    ambiences = [i for i, r in enumerate(recordings) if r.label in recipe.data.ambiences]
    return SceneBatches(
        SceneSynthesizer(store, recipe.scenes, weights, ambiences),
        labels,
        teacher,
        hop_samples=tower_class(recipe.audio).hop_samples,
        batch=recipe.optimization.batch,
        n_batches=recipe.optimization.steps,
        seed=recipe.seed,
        first=first,
    )


def make_optimizer(model: LanguageAudioModel, config: OptimizationConfig) -> AdamW:
    """AdamW; what was trained before learns slower, and scale, biases and norms do not decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = config.trunk_factor if name.startswith(model.trunk_prefixes) else 1.0
            factor = config.sigmoid_factor if name in ("log_scale", "bias") else factor
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    return AdamW(
        [{"params": p, "factor": f, "weight_decay": d} for (f, d), p in groups.items()], lr=config.learning_rate
    )


def learning_rate(step: int, config: OptimizationConfig) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """An exponential moving average of the weights, in place; a batch norm's own averages are taken as they are."""
    for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(parameter, 1 - decay)
    for mean, value in zip(average.buffers(), model.buffers(), strict=True):
        mean.copy_(value)


@torch.inference_mode()
def mean_frame(model: LanguageAudioModel, batches: SceneBatches, device: torch.device) -> Tensor:
    """The mean embedding (D,) of a frame of the run's first soundscapes."""
    few = itertools.islice(batches, CENTRE_BATCHES)
    return torch.stack([model.eval().audio(batch.waveform.to(device)).mean(dim=(0, 1)) for batch in few]).mean(dim=0)


def report(
    writer: SummaryWriter, progress: Any, step: int, losses: dict[str, Tensor], model: LanguageAudioModel, batch: int
) -> None:
    """Progress bar and TensorBoard."""
    if step % 20:
        return
    rate = progress.format_dict["rate"] or 0.0
    values = {f"loss/{name}": float(loss.detach()) for name, loss in losses.items()}
    values |= {"scale": float(model.scale.detach()), "bias": float(model.bias.detach())}
    values["clips_per_second"] = rate * batch
    for name, value in values.items():
        writer.add_scalar(name, value, step)
    progress.set_postfix({name.removeprefix("loss/"): f"{value:.3f}" for name, value in values.items()})


def save(file: Path, recipe: Recipe, model: nn.Module, average: nn.Module, optimizer: AdamW, step: int) -> None:
    """Writes a checkpoint beside and moves it into place, so that a kill leaves the old one or the new one."""
    state = {
        "recipe": recipe_to_dict(recipe),
        "commit": _commit(),
        "step": step,
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    partial = file.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(file)


def resume(file: Path, recipe: Recipe, model: nn.Module, average: nn.Module, optimizer: AdamW) -> int:
    """Loads a checkpoint, if there is one; returns the number of steps done.

    Raises:
        ValueError: the checkpoint was made with another recipe.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.is_file():
        return 0
    state = torch.load(file, map_location="cpu", weights_only=True)
    if state["recipe"] != recipe_to_dict(recipe):
        raise ValueError(f"{file} was made with another recipe; choose another --out, or remove it")
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description="Train a language-audio model.")
    parser.add_argument("recipe", type=Path, help="a TOML file, as in training/recipes/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: checkpoint and TensorBoard events")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override the recipe")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    train(read_recipe(options.recipe, options.set), options.out)


if __name__ == "__main__":
    main()
