from pathlib import Path

import pytest
import torch

from service.core.manifest import PACKAGED_BUNDLE
from training.checkpoint import CHECKPOINT, Run
from training.from_bundle import bundle_weights
from training.model import load_checkpoint
from training.recipe import Recipe, read_recipe
from training.train import train


def tiny(pack: Path, *overrides: str) -> Recipe:
    return read_recipe(Path("training/recipes/tiny.toml"), [f"data.folder={pack}", *overrides])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / CHECKPOINT, weights_only=True)["average"]


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(tiny_pack: Path, tmp_path: Path) -> None:
    recipe = tiny(tiny_pack, "optimization.steps=6", "optimization.checkpoint_every_s=0.0")
    train(recipe, tmp_path / "whole")

    class Killed(BaseException):
        pass

    saved: list[Path] = []
    original = Run.save

    def save_and_die(run: Run, file: Path, recipe: Recipe) -> None:
        original(run, file, recipe)
        saved.append(file)
        if len(saved) == 3:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save", save_and_die)
        with pytest.raises(Killed):
            train(recipe, tmp_path / "killed")
    train(recipe, tmp_path / "killed")
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_model_that_ships_goes_on_with_recordings_of_ones_own(tiny_pack: Path, tmp_path: Path) -> None:
    few = ["optimization.steps=1", "optimization.batch=2"]
    train(read_recipe(Path("training/recipes/fine_tune.toml"), [f"data.folder={tiny_pack}", *few]), tmp_path)
    shipped = bundle_weights(PACKAGED_BUNDLE, load_checkpoint(tmp_path / CHECKPOINT)[0])
    for name, value in weights(tmp_path).items():
        if name != "centre":  # that of its own soundscapes
            assert torch.allclose(value, shipped[name], atol=1e-2), name


def test_another_recipe_does_not_go_on_with_a_checkpoint(tiny_pack: Path, tmp_path: Path) -> None:
    train(tiny(tiny_pack, "optimization.steps=1"), tmp_path)
    with pytest.raises(ValueError, match="another recipe"):
        train(tiny(tiny_pack, "optimization.steps=2"), tmp_path)
