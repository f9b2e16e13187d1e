"""Trains a model: `python -m training.train training/recipes/compact.toml --out runs/compact`.

Paths can be given on the command line:
`python -m training.train training/recipes/compact.toml --out runs/compact --set data.folder=FOLDER
--set teacher.folder=FOLDER`. A run that was stopped, at whatever moment, goes on when the same command is given
again. On several GPUs: `torchrun --nproc-per-node 4 -m training.train ...`. TensorBoard reads `runs/`.
"""

import argparse
import copy
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from training.checkpoint import BEST, CHECKPOINT, Run, starting_weights
from training.data.batch import CaptionedBatch
from training.data.loading import load_batches
from training.evaluation.run_report import write_report
from training.evaluation.validation import SELECTION_FIGURE, Validation
from training.model import LanguageAudioModel
from training.objective import Objective
from training.optimization import learning_rate, make_optimizer, update_average
from training.processes import Processes, joined_processes
from training.recipe import Recipe, read_recipe
from training.source import SceneSource, Source, make_source
from training.synthesis.warm_start import warm_start
from training.towers.text import SentenceEncoder
from training.towers.tower import AudioTower

CENTRE_BATCHES = 16


def train(recipe: Recipe, out: Path) -> Path:
    """Trains, or goes on with, the run in `out`; returns the checkpoint's path."""
    with joined_processes() as (processes, device):
        return _train(recipe, out, processes, device)


def _train(recipe: Recipe, out: Path, processes: Processes, device: torch.device) -> Path:
    config, checkpoint = recipe.optimization, out / CHECKPOINT
    out.mkdir(parents=True, exist_ok=True)
    encoder = SentenceEncoder(recipe.text).to(device)
    source = make_source(recipe, encoder)
    run = begin(recipe, source, encoder, device, warm=not checkpoint.is_file())
    run.resume(checkpoint, recipe)
    processes.broadcast_weights(run.model)

    validation = Validation(recipe, encoder) if recipe.validation.clips and processes.rank == 0 else None
    objective = Objective(run.model, encoder, source.vocabulary, recipe, device, processes)
    parts = config.accumulate * processes.count
    batches = source.batches(part_of(config.batch, parts), config.steps * parts)
    numbers = range(run.step * parts + processes.rank, config.steps * parts, processes.count)
    stream = load_batches(batches, numbers, recipe.data.workers)
    log, saved_at = Log(out, processes, run.step, config.steps, config.batch), time.monotonic()
    while run.step < config.steps:
        for group in run.optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(run.step, config)
        run.optimizer.zero_grad(set_to_none=True)
        losses: dict[str, Tensor] = {}
        for part in range(config.accumulate):
            batch = next(stream).to(device)
            torch.manual_seed(recipe.seed * 1_000_003 + run.step * parts + part * processes.count + processes.rank)
            losses = objective.compute_losses(batch, run.step)
            run.scaler.scale(objective.weighted_sum(losses) / config.accumulate).backward()
        processes.average_gradients(run.model)
        run.scaler.unscale_(run.optimizer)
        nn.utils.clip_grad_norm_(run.model.parameters(), config.clip_norm)
        run.scaler.step(run.optimizer)
        run.scaler.update()
        run.step += 1
        update_average(run.average, run.model, min(config.average, (run.step + 1) / (run.step + 10)))
        log(run.step, losses, run.model)
        if validation and recipe.validation.every_steps and run.step % recipe.validation.every_steps == 0:
            centre(run.average, batches, device)
            score = validation.score(run.average)
            run.keep_if_best(score, out / BEST, recipe)
            log.validated(run.step, score)
        if processes.rank == 0 and time.monotonic() - saved_at > config.checkpoint_every_s:
            run.save(checkpoint, recipe)
            saved_at = time.monotonic()
    log.close()
    centre(run.average, batches, device)
    if processes.rank == 0:
        run.save(checkpoint, recipe)
    if validation:
        write_report(out, recipe, validation, run.average)
    return checkpoint


def begin(recipe: Recipe, source: Source, encoder: SentenceEncoder, device: torch.device, warm: bool) -> Run:
    """A run at its first step; `warm` if its model may be taught from clean recordings first."""
    torch.manual_seed(recipe.seed)
    model = LanguageAudioModel(recipe, encoder)
    check_length(model.audio, recipe.excerpts.length_s if recipe.data.sets else recipe.scenes.scene_s)
    if recipe.pretrained:
        model.audio.load_pretrained(recipe.pretrained)
    model = model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stub
    if recipe.start:
        model.load_state_dict(starting_weights(recipe.start, model))
    elif warm and isinstance(source, SceneSource) and source.teacher:
        warm_start(model, source.store, source.teacher, source.labels, source.vocabulary, recipe, device)
    average = copy.deepcopy(model).requires_grad_(requires_grad=False)
    model.train()
    scaler = GradScaler(device.type, enabled=recipe.optimization.precision == "fp16")
    return Run(model, average, make_optimizer(model, recipe.optimization), scaler)


def check_length(tower: AudioTower, length_s: float) -> None:
    """Raises ValueError if the tower takes no clips of this length."""
    n_frames = tower.grid.n_frames(tower.grid.samples_for(length_s))
    next_s = tower.grid.duration_s(tower.grid.n_samples(tower.lengths.round_up(n_frames)))
    if round(1000 * next_s) != round(1000 * length_s):
        raise ValueError(
            f"clips of {length_s} s, {n_frames} frames; the next length that {type(tower).__name__} takes is {next_s} s"
        )


def part_of(batch: int, parts: int) -> int:
    """Items in each part of a batch. Raises ValueError if it cannot be parted so."""
    if batch % parts:
        raise ValueError(f"a batch of {batch} cannot be parted into {parts} (optimization.accumulate times processes)")
    return batch // parts


def centre(model: LanguageAudioModel, batches: Dataset[CaptionedBatch], device: torch.device) -> None:
    """Measures what is common to all frames, where the model takes it off."""
    if model.centre is not None:
        model.centre.copy_(mean_frame(model, batches, device))


@torch.inference_mode()
def mean_frame(model: LanguageAudioModel, batches: Dataset[CaptionedBatch], device: torch.device) -> Tensor:
    """The mean embedding (D,) of a frame of a run's first batches."""
    few = (batches[number].to(device) for number in range(CENTRE_BATCHES))
    sums = [
        (model.eval().audio(b.waveform) * b.valid_mask()[..., None]).sum(dim=(0, 1)) / b.valid_mask().sum() for b in few
    ]
    return torch.stack(sums).mean(dim=0)


class Log:
    """Progress bar and TensorBoard of the first of the processes."""

    def __init__(self, out: Path, processes: Processes, step: int, steps: int, batch: int) -> None:
        first = processes.rank == 0
        self.batch, self.writer = batch, SummaryWriter(str(out)) if first else None
        self.progress: Any = tqdm(total=steps, initial=step, unit="batch", disable=not first)

    def __call__(self, step: int, losses: dict[str, Tensor], model: LanguageAudioModel) -> None:
        """One step more was done; `losses` are those of its last part."""
        self.progress.update()
        if step % 20 or self.writer is None:
            return
        values = {f"loss/{name}": float(loss.detach()) for name, loss in losses.items()}
        values |= {"scale": float(model.scale.detach()), "bias": float(model.bias.detach())}
        values["clips_per_second"] = (self.progress.format_dict["rate"] or 0.0) * self.batch
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.progress.set_postfix({name.removeprefix("loss/"): f"{value:.3f}" for name, value in values.items()})

    def validated(self, step: int, score: float) -> None:
        """The averaged weights were measured."""
        if self.writer is not None:
            self.writer.add_scalar(f"validation/{SELECTION_FIGURE}", score, step)

    def close(self) -> None:
        """The last step was done."""
        self.progress.close()
        if self.writer is not None:
            self.writer.close()


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
