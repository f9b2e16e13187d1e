from pathlib import Path

import pytest
import torch

from service.core.manifest import PACKAGED_BUNDLE
from training import train as training
from training.from_bundle import bundle_weights
from training.model import load_checkpoint
from training.recipe import Recipe, read_recipe, recipe_from_dict
from training.train import CHECKPOINT, learning_rate, mask, train


def tiny(pack: Path, *overrides: str) -> Recipe:
    return read_recipe(Path("training/recipes/tiny.toml"), [f"data.folder={pack}", *overrides])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / CHECKPOINT, weights_only=True)["average"]


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(tiny_pack: Path, tmp_path: Path) -> None:
    recipe = tiny(tiny_pack, "optimization.steps=6", "optimization.checkpoint_every_s=0.0")
    train(recipe, tmp_path / "whole")

    class Killed(BaseException):
        pass

    original, calls = training.save, []

    def save_and_die(*arguments: object) -> None:
        original(*arguments)  # type: ignore[arg-type]
        calls.append(arguments)
        if len(calls) == 3:
            raise Killed

    training.save = save_and_die
    try:
        with pytest.raises(Killed):
            train(recipe, tmp_path / "killed")
    finally:
        training.save = original
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


@pytest.mark.parametrize(
    ("audio", "scene_s"), [({"kind": "frame_mobilenet", "width": 0.4}, 2.0), ({"kind": "asit", "blocks": 1}, 1.78)]
)
def test_every_tower_can_be_trained(tiny_pack: Path, tmp_path: Path, audio: dict[str, object], scene_s: float) -> None:
    recipe = recipe_from_dict(
        {
            "name": "tiny",
            "audio": audio,
            "data": {"folder": tiny_pack, "workers": 0},
            "scenes": {"scene_s": scene_s},
            "optimization": {"steps": 2, "batch": 2, "precision": "fp32"},
        }
    )
    train(recipe, tmp_path)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    for name, value in state["average"].items():
        assert torch.isfinite(value).all(), name
        if "running" in name:  # of a batch norm
            assert torch.equal(value, state["model"][name]), name
    assert not torch.equal(state["average"]["audio.output.weight"], state["model"]["audio.output.weight"])


def test_a_scene_of_a_length_that_the_tower_does_not_take_is_refused(tiny_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scene_s is 4\.0 s, 100 frames; the next length .* is 4\.8 s"):
        train(tiny(tiny_pack, "scenes.scene_s=4.0"), tmp_path)


def test_another_recipe_does_not_go_on_with_a_checkpoint(tiny_pack: Path, tmp_path: Path) -> None:
    train(tiny(tiny_pack, "optimization.steps=1"), tmp_path)
    with pytest.raises(ValueError, match="another recipe"):
        train(tiny(tiny_pack, "optimization.steps=2"), tmp_path)


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth() -> None:
    config = read_recipe(Path("training/recipes/tiny.toml")).optimization
    rates = [learning_rate(step, config) for step in range(config.steps + 1)]
    assert rates[config.warmup_steps - 1] == pytest.approx(config.learning_rate)
    assert max(rates) == pytest.approx(config.learning_rate)
    assert rates[-1] == pytest.approx(config.learning_rate / 100)


def test_masks_hide_a_stretch_and_a_band_at_most() -> None:
    torch.manual_seed(0)
    config = read_recipe(Path("training/recipes/tiny.toml")).optimization
    log_mel = torch.randn(8, 400, 64)
    changed = mask(log_mel, config) != log_mel
    rows, columns = changed.all(dim=2).sum(dim=1), changed.all(dim=1).sum(dim=1)
    assert int(rows.max()) <= round(config.time_mask_s * 100)
    assert int(columns.max()) <= config.mel_mask_bands
    assert changed.any()
