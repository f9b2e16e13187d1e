import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from service.core.manifest import PACKAGED_BUNDLE
from tests.tiny_pack import LABELS
from tests.tiny_roberta import build_tiny_roberta
from tests.tiny_tacos import build_tiny_tacos
from training.checkpoint import BEST, CHECKPOINT, Run, bundle_weights, load_checkpoint
from training.data.batch import CaptionedBatch
from training.data.excerpt_batches import WeightedDataset
from training.evaluation.run_report import REPORT
from training.recipe import Recipe, read_recipe, recipe_from_dict
from training.source import make_source
from training.towers.asit import AsitConfig
from training.towers.text import SentenceEncoder
from training.train import begin, mean_frame, part_size, train


def tiny(pack: Path, *overrides: str) -> Recipe:
    return read_recipe(Path("training/recipes/tiny.toml"), [f"data.folder={pack}", *overrides])


def state(folder: Path) -> dict[str, Any]:
    return torch.load(folder / CHECKPOINT, weights_only=True)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return state(folder)["average"]


@pytest.mark.parametrize("pool", [[], ["data.pool.scenes=6", "data.pool.fresh=2"]], ids=["every scene once", "pool"])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(tiny_pack: Path, tmp_path: Path, pool: list[str]) -> None:
    recipe = tiny(tiny_pack, "optimization.steps=6", "optimization.checkpoint_every_s=0.0", *pool)
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
    whole, resumed = state(tmp_path / "whole"), state(tmp_path / "killed")
    for part in ("model", "average"):
        assert all(torch.equal(whole[part][name], resumed[part][name]) for name in whole[part]), part
    moments, resumed_moments = whole["optimizer"]["state"], resumed["optimizer"]["state"]
    for number, values in moments.items():
        assert all(torch.equal(value, resumed_moments[number][name]) for name, value in values.items())


def test_the_default_model_can_be_fine_tuned_on_other_recordings(tiny_pack: Path, tmp_path: Path) -> None:
    few = ["optimization.steps=1", "optimization.batch=2"]
    train(read_recipe(Path("training/recipes/fine_tune.toml"), [f"data.folder={tiny_pack}", *few]), tmp_path)
    shipped = bundle_weights(PACKAGED_BUNDLE, load_checkpoint(tmp_path / CHECKPOINT)[0])
    for name, value in weights(tmp_path).items():
        if name != "centre":  # computed from the scenes of this run
            assert torch.allclose(value.float(), shipped[name].float(), atol=1e-2), name


@pytest.mark.parametrize(
    ("audio", "scene_s"),
    [
        ({"kind": "frame_mobilenet", "width": 0.4}, 2.0),
        ({"kind": "asit", "blocks": 1}, 1.78),
        ({"kind": "pyramid", "width": 0.4, "frozen_layers": 8}, 1.92),
    ],
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


def test_scenes_of_a_length_that_the_tower_does_not_accept_are_refused(tiny_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"last 4\.0 s, 100 frames; the next length .* is 4\.8 s"):
        train(tiny(tiny_pack, "scenes.scene_s=4.0"), tmp_path)


def test_a_run_does_not_continue_with_another_recipe(tiny_pack: Path, tmp_path: Path) -> None:
    train(tiny(tiny_pack, "optimization.steps=1"), tmp_path)
    with pytest.raises(ValueError, match="another recipe"):
        train(tiny(tiny_pack, "optimization.steps=2"), tmp_path)


def test_a_batch_in_parts_gives_the_weights_of_the_whole_batch(tiny_pack: Path, tmp_path: Path) -> None:
    quiet = ["optimization.sentence_noise=0.0", "text.dropout=0.0", "optimization.time_mask_s=0.0"]
    quiet += ["optimization.mel_mask_bands=0", "losses.label_contrastive=0.0", "optimization.steps=2"]
    for accumulate in (1, 2):
        train(tiny(tiny_pack, *quiet, f"optimization.accumulate={accumulate}"), tmp_path / str(accumulate))
    whole, parts = weights(tmp_path / "1"), weights(tmp_path / "2")
    for name, value in whole.items():
        assert torch.allclose(value, parts[name], atol=1e-4), name


def test_a_batch_that_cannot_be_divided_into_equal_parts_is_refused(tiny_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"optimization\.batch is 4; multiples of 3 are accepted"):
        train(tiny(tiny_pack, "optimization.accumulate=3"), tmp_path)


def test_a_batch_of_12_has_3_parts_of_4() -> None:
    assert part_size(12, 3) == 4


class SampleFrames(nn.Module):
    """A model whose frames are the samples themselves."""

    def audio(self, waveform: torch.Tensor) -> torch.Tensor:
        return waveform[..., None]


def test_the_mean_frame_leaves_out_the_silence_behind_a_recording() -> None:
    waveform, valid_frames = torch.tensor([[1.0, 2.0, 99.0], [6.0, 99.0, 99.0]]), torch.tensor([2, 1])
    batches: Any = [CaptionedBatch(waveform, valid_frames, n_frames=3)] * 16
    model: Any = SampleFrames()
    assert mean_frame(model, batches, torch.device("cpu")).tolist() == [3.0]


def test_losses_are_scaled_in_fp16_and_the_scale_is_saved(tiny_pack: Path, tmp_path: Path) -> None:
    train(tiny(tiny_pack, "optimization.steps=1", "optimization.precision=fp16"), tmp_path)
    assert state(tmp_path)["scaler"]["scale"] > 1
    assert all(value.isfinite().all() for value in weights(tmp_path).values())


def test_the_best_weights_are_kept_and_a_report_is_written(tiny_pack: Path, tmp_path: Path) -> None:
    train(tiny(tiny_pack, "optimization.steps=4", "validation.clips=4", "validation.every_steps=2"), tmp_path)
    best = torch.load(tmp_path / BEST, weights_only=True)
    assert best["step"] in (2, 4)
    assert 0 <= best["best"] == state(tmp_path)["best"] <= 1
    report = (tmp_path / REPORT).read_text()
    assert "psds1_macro" in report
    assert all(label in report for label in LABELS)
    pictures = re.findall(r"\((.*\.png)\)", report)
    assert pictures
    assert all((tmp_path / name).stat().st_size > 1000 for name in pictures)


def test_annotated_recordings_are_trained_on(tmp_path: Path) -> None:
    sets = f"data.sets=[{{name='tacos', folder='{build_tiny_tacos(tmp_path / 'tacos')}'}}]"
    off = ["losses.label_sigmoid=0.0", "losses.label_contrastive=0.0", "excerpts.length_s=3.84", "optimization.steps=2"]
    losses = [f"losses.{name}=1.0" for name in ("clip_contrastive", "region_contrastive", "region_sigmoid")]
    recipe = read_recipe(Path("training/recipes/tiny.toml"), [sets, *off, *losses])
    train(recipe, tmp_path / "run")
    assert state(tmp_path / "run")["step"] == 2


def tacos(recipe: str, sets: tuple[WeightedDataset, ...], encoder: Path) -> Recipe:
    """One step of one of TACOS' stages, at the full rate, with towers that are small and begin at random."""
    read = read_recipe(Path("training/recipes") / recipe, [f"text.encoder={encoder}", "optimization.steps=1"])
    return replace(
        read,
        start=None,
        audio=AsitConfig(blocks=1),
        data=replace(read.data, sets=sets, workers=0),
        excerpts=replace(read.excerpts, length_s=1.78),
        optimization=replace(read.optimization, batch=2, warmup_steps=1, precision="fp32"),
    )


def test_a_run_trains_on_scenes_like_the_world(tiny_pack: Path, tmp_path: Path) -> None:
    few = [
        "optimization.steps=2",
        "scenes.world.rival_rate=0.5",
        "losses.label_overlap=1.0",
        "losses.region_sigmoid=1.0",
    ]
    train(tiny(tiny_pack, *few), tmp_path)
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())


@pytest.mark.parametrize("stage", ["tacos_global.toml", "tacos_regions.toml"])
def test_the_stages_of_tacos_train_both_towers(stage: str, tmp_path: Path) -> None:
    sets = (WeightedDataset("tacos", build_tiny_tacos(tmp_path / "tacos")),)
    recipe = tacos(stage, sets, build_tiny_roberta(tmp_path / "encoder"))
    encoder = SentenceEncoder(recipe.text)
    before = begin(recipe, make_source(recipe, encoder), encoder, torch.device("cpu"), warm=False).model.state_dict()
    train(recipe, tmp_path / "run")
    after = weights(tmp_path / "run")
    for part in ("audio.model.blocks.0.mlp.fc1.weight", "encoder.transformer.encoder.layer.0.output.dense.weight"):
        assert not torch.equal(before[part], after[part]), part
