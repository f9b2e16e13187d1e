from pathlib import Path
from typing import Any

import pytest
import torch

from training.cache_maps import cache_maps, main
from training.checkpoint import CHECKPOINT, Run
from training.data.map_batch import load_map_batch
from training.recipe import Recipe, read_recipe
from training.source import make_source
from training.synthesis.map_cache import CachedSource, batch_file, read_facts
from training.towers.text import SentenceEncoder
from training.train import train

TOWER = ["audio={kind='pyramid', width=0.125, dimension=16, head_channels=16, head_blocks=1}", "text.dropout=0.0"]


def tiny(pack: Path, *overrides: str) -> Recipe:
    few = ["optimization.steps=4", "optimization.time_mask_s=0.0", "optimization.mel_mask_bands=0"]
    return read_recipe(Path("training/recipes/tiny.toml"), [f"data.folder={pack}", *TOWER, *few, *overrides])


@pytest.fixture(scope="module")
def cache(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    cache_maps(tiny(tiny_pack), 10, folder)
    return folder


def average(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / CHECKPOINT, weights_only=True)["average"]


def test_scenes_are_cached_in_whole_batches(cache: Path) -> None:
    assert sorted(file.name for file in cache.glob("0*.pt")) == ["000000.pt", "000001.pt", "000002.pt"]
    batch = load_map_batch(batch_file(cache, 2))
    assert [values.shape[:2] for values in batch.maps] == [(4, 96), (4, 48), (4, 24), (4, 12), (4, 12)]
    assert len(read_facts(cache).labels) == 4


def test_a_stopped_command_continues_and_more_scenes_are_added(tiny_pack: Path, cache: Path, tmp_path: Path) -> None:
    cache_maps(tiny(tiny_pack), 4, tmp_path)
    first = batch_file(tmp_path, 0).stat().st_mtime_ns
    cache_maps(tiny(tiny_pack), 12, tmp_path)
    assert batch_file(tmp_path, 0).stat().st_mtime_ns == first
    for number in range(3):
        one, other = (load_map_batch(batch_file(folder, number)) for folder in (cache, tmp_path))
        assert torch.equal(one.event_active, other.event_active)
        assert all(torch.equal(a, b) for a, b in zip(one.maps, other.maps, strict=True))


def test_a_cache_is_not_continued_with_other_batches(tiny_pack: Path, cache: Path) -> None:
    with pytest.raises(ValueError, match=r"was cached with other batch \(4\) than this recipe has \(2\)"):
        cache_maps(tiny(tiny_pack, "optimization.batch=2"), 10, cache)


def test_only_the_maps_of_a_pyramid_tower_are_cached(tiny_pack: Path, tmp_path: Path) -> None:
    recipe = read_recipe(Path("training/recipes/tiny.toml"), [f"data.folder={tiny_pack}"])
    with pytest.raises(ValueError, match=r"audio\.kind is 'compact'"):
        cache_maps(recipe, 4, tmp_path)


def test_the_head_learns_from_maps_what_it_learns_from_scenes(tiny_pack: Path, tmp_path: Path) -> None:
    """Each scene is used once in the same order, so that only 8 bits and the means of the scenes differ."""
    quiet = ["optimization.sentence_noise=0.0", "optimization.steps=1"]
    cache_maps(tiny(tiny_pack), 4, tmp_path / "maps")
    train(tiny(tiny_pack, *quiet), tmp_path / "scenes")
    train(tiny(tiny_pack, *quiet, f"data.cache={tmp_path / 'maps'}"), tmp_path / "cached")
    scenes, cached = average(tmp_path / "scenes"), average(tmp_path / "cached")
    for name, value in scenes.items():
        if not name.startswith("audio.standardize."):  # a run measures the statistics on the same scenes as the cache
            assert torch.allclose(value.float(), cached[name].float(), atol=7e-3), name
    assert torch.allclose(scenes["audio.standardize.0.mean"], cached["audio.standardize.0.mean"], atol=1e-5)


def test_a_killed_run_on_maps_ends_as_if_it_had_not_been(tiny_pack: Path, cache: Path, tmp_path: Path) -> None:
    noisy = ["optimization.map_noise=0.3", "optimization.map_dropout=0.2", "optimization.checkpoint_every_s=0.0"]
    recipe = tiny(tiny_pack, *noisy, f"data.cache={cache}")
    train(recipe, tmp_path / "whole")

    class Killed(BaseException):
        pass

    saved: list[int] = []
    original = Run.save

    def save_and_die(run: Run, file: Path, recipe: Recipe) -> None:
        original(run, file, recipe)
        saved.append(run.step)
        if len(saved) == 2:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save", save_and_die)
        with pytest.raises(Killed):
            train(recipe, tmp_path / "killed")
    train(recipe, tmp_path / "killed")
    whole, resumed = average(tmp_path / "whole"), average(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_batch_comes_once_before_any_comes_again(tiny_pack: Path, cache: Path) -> None:
    recipe = tiny(tiny_pack, f"data.cache={cache}")
    source = make_source(recipe, SentenceEncoder(recipe.text))
    assert isinstance(source, CachedSource)
    batches: Any = source.batches(4, 6)
    seen = [float(batches[i].event_active.sum()) for i in range(6)]
    assert sorted(seen[:3]) == sorted(seen[3:])
    with pytest.raises(ValueError, match="holds batches of 4 scenes; a part of a batch has 2"):
        source.batches(2, 6)


def test_maps_of_another_trunk_are_refused(tiny_pack: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was cached with other trunk"):
        train(tiny(tiny_pack, f"data.cache={cache}", "seed=5"), tmp_path)  # random weights depend on the seed


def test_a_folder_without_maps_is_refused(tiny_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="statistics"):
        train(tiny(tiny_pack, f"data.cache={tmp_path}"), tmp_path / "run")


def test_the_command_reads_a_recipe_and_overrides(tiny_pack: Path, tmp_path: Path) -> None:
    overrides = [word for value in (f"data.folder={tiny_pack}", *TOWER) for word in ("--set", value)]
    main(["training/recipes/tiny.toml", "--scenes", "1", "--out", str(tmp_path), *overrides])
    assert batch_file(tmp_path, 0).is_file()
