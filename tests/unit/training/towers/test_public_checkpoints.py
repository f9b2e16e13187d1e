from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.towers.public_checkpoints import load_public_checkpoint, read_public_checkpoint


class SmallTower(nn.Module):
    """An encoder of one layer, a strong head of two classes, and a layer that no public checkpoint has."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(2, 2, bias=False)
        self.strong_head = nn.Linear(2, 2, bias=False)
        self.output = nn.Linear(2, 3, bias=False)


def weights_of(tower: SmallTower) -> dict[str, list[list[float]]]:
    return {name: weight.tolist() for name, weight in tower.state_dict().items()}


def save(file: Path, weights: dict[str, Tensor]) -> Path:
    torch.save(weights, file)
    return file


@pytest.mark.parametrize("prefix", ["", "model.", "net.model.", "net.model.asit.", "model.fmn.", "model.frame_mn."])
def test_weights_have_the_same_names_whatever_the_wrappers_of_a_release(prefix: str, tmp_path: Path) -> None:
    file = save(
        tmp_path / "a.pt",
        {
            f"{prefix}blocks.0.weight": torch.ones(1),
            "net.weak_head.bias": torch.ones(2),
            "seq_model.rnn": torch.ones(3),
        },
    )
    assert {name: len(weight) for name, weight in read_public_checkpoint(file).items()} == {
        "model.blocks.0.weight": 1,
        "weak_head.bias": 2,
        "seq_model.rnn": 3,
    }


def test_a_wrappers_name_within_a_weights_name_is_kept(tmp_path: Path) -> None:
    file = save(tmp_path / "a.pt", {"net.blocks.model.weight": torch.ones(1)})
    assert list(read_public_checkpoint(file)) == ["model.blocks.model.weight"]


def test_the_encoder_and_a_matching_head_are_loaded_and_other_layers_keep_their_weights(tmp_path: Path) -> None:
    tower = SmallTower()
    before = weights_of(tower)
    file = save(tmp_path / "a.pt", {"net.weight": torch.eye(2), "net.strong_head.weight": 3 * torch.eye(2)})
    load_public_checkpoint(tower, file)
    assert weights_of(tower) == {
        "model.weight": [[1, 0], [0, 1]],
        "strong_head.weight": [[3, 0], [0, 3]],
        "output.weight": before["output.weight"],
    }


def test_a_head_of_another_shape_or_name_is_ignored(tmp_path: Path) -> None:
    tower = SmallTower()
    before = weights_of(tower)
    heads = {"strong_head.weight": torch.ones(447, 2), "weak_head.weight": torch.ones(447, 2)}
    load_public_checkpoint(tower, save(tmp_path / "a.pt", {"weight": torch.eye(2)} | heads))
    assert weights_of(tower) == before | {"model.weight": [[1, 0], [0, 1]]}


@pytest.mark.parametrize("encoder", [{}, {"weight": torch.ones(3, 2)}, {"weight": torch.eye(2), "bias": torch.ones(2)}])
def test_an_encoder_with_other_names_or_shapes_is_refused(encoder: dict[str, Tensor], tmp_path: Path) -> None:
    file = save(tmp_path / "a.pt", encoder)
    with pytest.raises(ValueError, match=r"a\.pt holds an encoder that does not fit SmallTower: "):
        load_public_checkpoint(SmallTower(), file)
