"""Trains a model: `python -m training.train training/recipes/compact.toml --out runs/compact`.

`--set` overrides values of the recipe, for example its folders:
`python -m training.train training/recipes/compact.toml --out runs/compact --set data.folder=FOLDER
--set teacher.folder=YAMNET`. To resume a stopped run from its last checkpoint, run the same command again. On several GPUs:
`torchrun --nproc-per-node 4 -m training.train ...`. TensorBoard reads the folder `runs/`.
"""

import argparse
import copy
import itertools
import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from service.core.frame_grid import FrameGrid
from training import seeds
from training.caption_embedding import CaptionEmbedder
from training.checkpoint import BEST, CHECKPOINT, Run
from training.data.batch import CaptionedBatch
from training.data.loading import load_batches
from training.data.scene_pool import PoolDraws
from training.evaluation.run_report import write_report
from training.evaluation.validation import SELECTION_FIGURE, Validation
from training.initial_model import initial_model
from training.model import LanguageAudioModel
from training.objective import Objective, frame_embeddings
from training.optimization import learning_rate, make_optimizer, update_average
from training.processes import Processes, joined_processes
from training.recipe import Recipe, read_recipe
from training.source import Source, make_source
from training.towers.choice import tower_class
from training.towers.text import SentenceEncoder
from training.towers.tower import AudioTower

CENTRE_BATCHES = 16
"""Number of batches over which the mean frame of a centred model is computed."""
LOG_EVERY_STEPS = 20


def train(recipe: Recipe, out: Path) -> Path:
    """Trains a model, or continues the run in `out`.

    The folder of a run holds:

    - `checkpoint.pt`: the newest weights, averaged weights, optimizer state and step, with the recipe and the commit. The
      checkpoint is written every `optimization.checkpoint_every_s` seconds and at the end.
    - `best.pt`: the checkpoint of the step with the best validation score (with `validation.every_steps`).
    - `report.md` and its pictures: the figures of the final validation (with `validation.clips`).
    - TensorBoard events: losses, scale, bias, speed and validation scores.

    Args:
        recipe: the model, its data, losses and optimizer.
        out: the folder of the run, which is created.

    Returns:
        The path of `checkpoint.pt`.

    Raises:
        ValueError: the folder holds a checkpoint of another recipe, or parts of the recipe do not fit together.
    """
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
    label_captions = source.vocabulary.bank if source.vocabulary else None
    embedder = CaptionEmbedder(run.model, encoder, label_captions, config.sentence_noise, processes)
    objective = Objective(run.model, embedder, source.vocabulary, recipe, processes)
    parts_per_step = config.accumulate * processes.count
    n_parts = config.steps * parts_per_step
    parts = range(run.step * parts_per_step + processes.rank, n_parts, processes.count)
    size, pool, workers = part_size(config.batch, parts_per_step), recipe.data.pool, recipe.data.workers
    batches = source.batches(size, n_parts)
    if pool.scenes:
        draws = PoolDraws(pool, size, recipe.seed, processes.count)
        pieces = draws.pieces(parts)
        new = load_batches(source.batches(pool.fresh, pieces.stop), pieces, workers)
        stream = draws.draw(parts, new, device)
    else:
        stream = zip(parts, load_batches(batches, parts, workers), strict=True)
    log, saved_at = Log(out, processes, run.step, config.steps, config.batch), time.monotonic()
    while run.step < config.steps:
        losses = train_step(run, objective, itertools.islice(stream, config.accumulate))
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
    """Creates a run before its first step.

    Args:
        recipe: the recipe of the run.
        source: the recordings for a warm start.
        encoder: the sentence encoder.
        device: where the model is trained.
        warm: whether a warm start is allowed; a run that continues from a checkpoint needs none.

    Raises:
        ValueError: the audio tower does not accept the length of the scenes or excerpts.
    """
    torch.manual_seed(recipe.seed)
    check_length(tower_class(recipe.audio), recipe.excerpts.length_s if recipe.data.sets else recipe.scenes.scene_s)
    model = initial_model(recipe, source, encoder, device, warm)
    average = copy.deepcopy(model).requires_grad_(requires_grad=False)
    model.train()
    scaler = GradScaler(device.type, enabled=recipe.optimization.precision == "fp16")
    return Run(model, average, make_optimizer(model, recipe.optimization), scaler)


def train_step(run: Run, objective: Objective, parts: Iterable[tuple[int, CaptionedBatch]]) -> dict[str, Tensor]:
    """Takes one optimizer step with the mean gradient of a batch's parts, and updates the averaged weights, in place.

    Args:
        run: the run to advance by one step.
        objective: computes the losses of a part.
        parts: `optimization.accumulate` parts of a batch, each with its index among all parts of the run.

    Returns:
        The losses of the last part, unweighted, by name.
    """
    recipe, config = objective.recipe, objective.recipe.optimization
    for group in run.optimizer.param_groups:
        group["lr"] = group["factor"] * learning_rate(run.step, config)
    run.optimizer.zero_grad(set_to_none=True)
    losses: dict[str, Tensor] = {}
    for part, batch in parts:
        torch.manual_seed(seeds.batch_part(recipe.seed, part))
        losses = objective.compute_losses(batch.to(objective.model.device), run.step)
        run.scaler.scale(objective.weighted_sum(losses) / config.accumulate).backward()
    objective.processes.average_gradients(run.model)
    run.scaler.unscale_(run.optimizer)
    nn.utils.clip_grad_norm_(run.model.parameters(), config.clip_norm)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    run.step += 1
    update_average(run.average, run.model, min(config.average, (run.step + 1) / (run.step + 10)))
    return losses


def check_length(tower: type[AudioTower], length_s: float) -> None:
    """Raises ValueError if the audio tower does not accept scenes or excerpts of this length."""
    grid = FrameGrid(tower.sample_rate_hz, tower.hop_samples)
    n_frames = grid.n_frames(grid.samples_for(length_s))
    next_s = grid.duration_s(grid.n_samples(tower.lengths.round_up(n_frames)))
    if round(1000 * next_s) != round(1000 * length_s):
        raise ValueError(
            f"scenes or excerpts last {length_s} s, {n_frames} frames; the next length that {tower.__name__} accepts "
            f"is {next_s} s (scenes.scene_s, excerpts.length_s)"
        )


def part_size(batch: int, parts: int) -> int:
    """Number of items in each part of a batch. Raises ValueError if the parts would differ in size."""
    if batch % parts:
        raise ValueError(
            f"optimization.batch is {batch}; multiples of {parts} are accepted, which is optimization.accumulate times the "
            "number of processes"
        )
    return batch // parts


def centre(model: LanguageAudioModel, batches: Dataset[CaptionedBatch], device: torch.device) -> None:
    """Computes the mean frame that a centred model subtracts, in place; does nothing for other models."""
    if model.centre is not None:
        model.centre.copy_(mean_frame(model, batches, device))


@torch.inference_mode()
def mean_frame(model: LanguageAudioModel, batches: Dataset[CaptionedBatch], device: torch.device) -> Tensor:
    """The mean frame embedding (D,) over a run's first batches."""
    model.eval()
    means: list[Tensor] = []
    for index in range(CENTRE_BATCHES):
        batch = batches[index].to(device)
        valid = batch.valid_mask()
        means.append((frame_embeddings(model, batch) * valid[..., None]).sum(dim=(0, 1)) / valid.sum())
    return torch.stack(means).mean(dim=0)


class Log:
    """Progress bar and TensorBoard events of a run, written by the first process only."""

    def __init__(self, out: Path, processes: Processes, step: int, steps: int, batch: int) -> None:
        is_first = processes.rank == 0
        self.batch, self.writer = batch, SummaryWriter(str(out)) if is_first else None
        self.progress: Any = tqdm(total=steps, initial=step, unit="batch", disable=not is_first)

    def __call__(self, step: int, losses: dict[str, Tensor], model: LanguageAudioModel) -> None:
        """Logs that a step is finished; `losses` are the losses of the last part of its batch."""
        self.progress.update()
        if step % LOG_EVERY_STEPS or self.writer is None:
            return
        values = {f"loss/{name}": float(loss.detach()) for name, loss in losses.items()}
        values |= {"scale": float(model.scale.detach()), "bias": float(model.bias.detach())}
        values["clips_per_second"] = (self.progress.format_dict["rate"] or 0.0) * self.batch
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.progress.set_postfix({name.removeprefix("loss/"): f"{value:.3f}" for name, value in values.items()})

    def validated(self, step: int, score: float) -> None:
        """Logs the validation score of the averaged weights."""
        if self.writer is not None:
            self.writer.add_scalar(f"validation/{SELECTION_FIGURE}", score, step)

    def close(self) -> None:
        """Closes the progress bar and the events file."""
        self.progress.close()
        if self.writer is not None:
            self.writer.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description="Train a language-audio model.")
    parser.add_argument("recipe", type=Path, help="a TOML file like those in training/recipes/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: checkpoint and TensorBoard events")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override the recipe")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    train(read_recipe(options.recipe, options.set), options.out)


if __name__ == "__main__":
    main()
