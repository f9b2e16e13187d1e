"""Mines rivals from a model's own confusions: which labels a trained model hears in recordings of other labels.

`python -m training.mine_rivals runs/pyramid_shared/checkpoint.pt training/recipes/pyramid_long.toml --out runs/confusions.npz`

A run with `data.confusions = "runs/confusions.npz"` mixes sounds that the model confuses into the same scenes.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from service.core.scoring import similarity
from training.data.config import AbsentConfig
from training.data.pack import AudioStore
from training.evaluation.localizers import EXTENT_RATIO, MEDIAN_FILTER_S, CheckpointLocalizer
from training.recipe import Recipe, read_recipe
from training.source import scene_vocabulary, train_recordings
from training.synthesis.confusions import Confusions

Float32 = NDArray[np.float32]
PEAK_QUANTILE = 0.95
"""The peak of a label in a recording is this quantile of its similarity over the frames of the recording."""


def mine_confusions(recipe: Recipe, localizer: CheckpointLocalizer) -> Confusions:
    """Measures how strongly a model hears the mean caption of every label in the training recordings of each label."""
    # neither the teacher's classes nor absent captions are labels
    losses, data = replace(recipe.losses, teacher_sigmoid=0.0), replace(recipe.data, absent=AbsentConfig())
    recipe = replace(recipe, losses=losses, data=data)
    recordings = train_recordings(recipe)
    vocabulary = scene_vocabulary(recipe, recordings, localizer.encoder)
    with torch.inference_mode():
        queries = localizer.model.served_queries(vocabulary.bank.means()).numpy()  # (L, D)
    index, store = vocabulary.index(), AudioStore.decode(recordings, localizer.grid.sample_rate_hz)
    sums, counts = np.zeros((len(index), len(index))), np.zeros(len(index))
    for recording, waveform in zip(recordings, tqdm(store, total=len(store), unit="recording"), strict=True):
        label = index[recording.label]
        sums[label] += peaks(localizer.embed(waveform), queries)
        counts[label] += 1
    return Confusions(vocabulary.labels, (sums / counts[:, None]).astype(np.float32))


def peaks(frames: Float32, queries: Float32) -> Float32:
    """The peak similarity (Q,) of query embeddings (Q, D) over frame embeddings (T, D)."""
    return np.quantile(similarity(frames, queries), PEAK_QUANTILE, axis=-1).astype(np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.mine_rivals", description="Mine rivals from a model's own confusions."
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of training.train")
    parser.add_argument(
        "recipe", type=Path, help="the recipe of the run that will use the rivals; its recordings are heard"
    )
    parser.add_argument("--out", type=Path, required=True, help="the file to write, with the ending .npz")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override the recipe")
    options = parser.parse_args(arguments)
    try:
        localizer = CheckpointLocalizer.load(options.checkpoint, MEDIAN_FILTER_S, EXTENT_RATIO)
        mine_confusions(read_recipe(options.recipe, options.set), localizer).save(options.out)
    except (ValueError, OSError) as error:
        sys.exit(f"rivals of {options.checkpoint} cannot be mined: {error}")


if __name__ == "__main__":
    main()
