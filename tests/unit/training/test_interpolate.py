from pathlib import Path

import pytest
import torch

from training.checkpoint import CHECKPOINT, load_checkpoint, read_checkpoint
from training.interpolate import interpolate, main
from training.recipe import read_recipe
from training.train import train


def test_weights_lie_between_those_of_the_two_checkpoints() -> None:
    first = {"weight": torch.tensor([0.0, 1.0]), "count": torch.tensor(3)}
    second = {"weight": torch.tensor([1.0, 3.0]), "count": torch.tensor(7)}
    between = interpolate(first, second, 0.75)
    assert between["weight"].tolist() == [0.75, 2.5]
    assert int(between["count"]) == 7


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="0 to 1 is accepted"):
        interpolate({}, {}, share)


def test_checkpoints_of_different_models_are_refused() -> None:
    with pytest.raises(ValueError, match="different models; 1 weights differ in shape, first weight"):
        interpolate({"weight": torch.zeros(2)}, {"weight": torch.zeros(3)}, 0.5)


def test_the_command_writes_a_checkpoint_that_can_be_loaded(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [f"data.folder={tiny_pack}", "optimization.steps=1"]
    files = [
        train(read_recipe(Path("training/recipes/tiny.toml"), [*overrides, f"seed={seed}"]), tmp_path / str(seed))
        for seed in (1, 2)
    ]
    assert files[0].name == CHECKPOINT
    out = tmp_path / "between.pt"
    main([*map(str, files), "--share", "0.5", "--out", str(out)])
    first, second, between = (read_checkpoint(file)["average"] for file in (*files, out))
    name = next(name for name in first if name.startswith("projection.") and not torch.equal(first[name], second[name]))
    torch.testing.assert_close(between[name], (first[name] + second[name]) / 2)
    assert load_checkpoint(out)[2].name == "tiny"

    with pytest.raises(SystemExit):
        main([*map(str, files), "--share", "2", "--out", str(out)])
    assert "the share is 2; 0 to 1 is accepted" in capsys.readouterr().err


def test_a_missing_checkpoint_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "1.pt"), str(tmp_path / "2.pt"), "--share", "0.5", "--out", str(tmp_path / "out.pt")])
    assert str(tmp_path / "2.pt") in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"junk", b"junk\n" * 50])
def test_a_file_that_is_no_checkpoint_is_named(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.pt"
    file.write_bytes(content)
    with pytest.raises(SystemExit):
        main([str(file), str(file), "--share", "0.5", "--out", str(tmp_path / "out.pt")])
    assert "wrong.pt is no checkpoint of training.train" in capsys.readouterr().err


def test_a_file_of_other_weights_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(2)}, file)
    with pytest.raises(SystemExit):
        main([str(file), str(file), "--share", "0.5", "--out", str(tmp_path / "out.pt")])
    assert "weights.pt is no checkpoint of training.train" in capsys.readouterr().err
