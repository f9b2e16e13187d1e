"""Caches the maps of a frozen trunk, so that the head of a pyramid tower trains on them instead of scenes.

`python -m training.cache_maps training/recipes/pyramid.toml --scenes 20000 --out runs/maps`

Scenes are synthesized as in a training run, and the trunk hears each of them once. A run with `data.cache = "runs/maps"` reads
their maps. A batch of the cache is a file. To continue a stopped command, run it again; to add scenes, run it again with a
larger `--scenes`.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from training.data.loading import load_batches
from training.data.scene_batch import SceneBatch
from training.initial_model import initial_model
from training.recipe import Recipe, read_recipe
from training.source import scene_source
from training.synthesis.map_cache import STATISTICS, CacheFacts, batch_file, cache_batch, trunk_checksum
from training.towers.pyramid import PyramidTower
from training.towers.text import SentenceEncoder


def cache_maps(recipe: Recipe, n_scenes: int, out: Path) -> None:
    """Writes a cache of at least `n_scenes` scenes of a recipe to the folder `out`, or completes it.

    Raises:
        ValueError: the recipe has no pyramid tower, or `out` holds a cache of other labels, batches or weights.
    """
    recipe = replace(recipe, data=replace(recipe.data, cache=None))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = SentenceEncoder(recipe.text)
    source = scene_source(recipe, encoder)
    torch.manual_seed(recipe.seed)
    tower = initial_model(recipe, source, encoder, device).audio
    if not isinstance(tower, PyramidTower):
        raise ValueError(f"audio.kind is {recipe.audio.kind!r}; only the maps of 'pyramid' can be cached")
    tower.eval()
    out.mkdir(parents=True, exist_ok=True)
    bank = source.vocabulary.class_bank
    CacheFacts(
        source.vocabulary.labels, len(bank) if bank else 0, recipe.optimization.batch, trunk_checksum(tower)
    ).save(out)
    torch.save(tower.standardize.state_dict(), out / STATISTICS)
    size = recipe.optimization.batch
    count = -(-n_scenes // size)
    missing = [number for number in range(count) if not batch_file(out, number).is_file()]
    batches = load_batches(source.batches(size, count), missing, recipe.data.workers)
    for number, batch in zip(missing, tqdm(batches, total=len(missing), unit="batch"), strict=True):
        assert isinstance(batch, SceneBatch)
        cache_batch(tower, batch.to(device), batch_file(out, number))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.cache_maps", description="Cache the maps of a frozen trunk."
    )
    parser.add_argument("recipe", type=Path, help="a TOML file like those in training/recipes/, with a pyramid tower")
    parser.add_argument("--scenes", type=int, required=True, help="number of scenes; rounded up to whole batches")
    parser.add_argument("--out", type=Path, required=True, help="folder of the cache")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override the recipe")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    cache_maps(read_recipe(options.recipe, options.set), options.scenes, options.out)


if __name__ == "__main__":
    main()
