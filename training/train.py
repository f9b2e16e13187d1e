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
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from training.checkpoint import CHECKPOINT, resume, save, starting_weights
from training.data.pack import AudioStore, Recording, read_table
from training.model import LanguageAudioModel
from training.objective import Objective, Sentences
from training.optimization import learning_rate, make_optimizer, update_average
from training.recipe import Recipe, read_recipe
from training.synthesis.batches import SceneBatches, load_batches
from training.synthesis.scene import SceneSynthesizer
from training.teacher import TeacherScores, class_names, score_recordings
from training.towers.audio import FRAME_HOP_SAMPLES
from training.towers.front_end import SAMPLE_RATE_HZ
from training.towers.text import SentenceEncoder
from training.vocabulary import Vocabulary, build_vocabulary
from training.warm_start import warm_start

logger = logging.getLogger(__name__)
CENTRE_BATCHES = 16


def train(recipe: Recipe, out: Path) -> Path:
    """Trains, or goes on with, the run in `out`; returns the checkpoint's path."""
    config, device = recipe.optimization, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recordings = [r for r in read_table(recipe.data.folder) if r.split == "train"]
    store = AudioStore.decode(recordings, SAMPLE_RATE_HZ)
    encoder = SentenceEncoder(recipe.text.encoder)
    teacher = score_recordings(store, recipe.teacher.folder) if recipe.teacher.folder and recipe.teaches else None
    vocabulary = prepare_vocabulary(recipe, recordings, encoder)
    logger.info(
        "%d recordings, %d labels, %d captions", len(store), len(vocabulary.labels), len(vocabulary.bank.sentences)
    )

    torch.manual_seed(recipe.seed)
    model = LanguageAudioModel(recipe.audio, recipe.text, encoder.channels)
    if recipe.teacher.folder:
        model.audio.trunk.load_yamnet(recipe.teacher.folder / "yamnet.safetensors")
    model = model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stub
    if recipe.start:
        model.load_state_dict(starting_weights(recipe.start, model))
    elif teacher and not (out / CHECKPOINT).is_file():
        warm_start(model, store, teacher, recording_labels(recordings, vocabulary), vocabulary, recipe, device)
    optimizer = make_optimizer(model, config)
    average = copy.deepcopy(model).requires_grad_(requires_grad=False)
    step = resume(out / CHECKPOINT, recipe, model, average, optimizer)

    batches = scene_batches(recipe, recordings, store, vocabulary, teacher, first=step)
    objective = Objective(model, Sentences(encoder, vocabulary), vocabulary, recipe, device)
    writer, saved_at = SummaryWriter(str(out)), time.monotonic()
    progress = tqdm(load_batches(batches, recipe.data.workers), total=config.steps, initial=step, unit="batch")
    for batch in progress:
        torch.manual_seed(recipe.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(step, config)
        losses = objective.losses(batch.to(device), step)
        optimizer.zero_grad(set_to_none=True)
        objective.total(losses).backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        step += 1
        update_average(average, model, min(config.average, (step + 1) / (step + 10)))
        report(writer, progress, step, losses, model, config.batch)
        if time.monotonic() - saved_at > config.checkpoint_every_s or step == config.steps:
            save(out / CHECKPOINT, recipe, model, average, optimizer, step)
            saved_at = time.monotonic()
    writer.close()
    average.centre.copy_(
        mean_frame(average, scene_batches(recipe, recordings, store, vocabulary, teacher, first=0), device)
    )
    save(out / CHECKPOINT, recipe, model, average, optimizer, step)
    return out / CHECKPOINT


def prepare_vocabulary(recipe: Recipe, recordings: Sequence[Recording], encoder: SentenceEncoder) -> Vocabulary:
    """The captions of a recipe."""
    classes = class_names(recipe.teacher.folder) if recipe.teacher.folder and recipe.losses.teacher_sigmoid else []
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
        vocabulary.bank.of_subjects(),
        teacher,
        hop_samples=FRAME_HOP_SAMPLES,
        batch=recipe.optimization.batch,
        n_batches=recipe.optimization.steps,
        seed=recipe.seed,
        first=first,
    )


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
