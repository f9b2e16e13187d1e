"""The checkpoints of PretrainedSED and EfficientSED (MIT): how their weights are named."""

import logging
import re
from pathlib import Path

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

_WRAPPERS = re.compile(r"^(?:(?:net|model|asit|fmn|frame_mn)\.)+")
"""What stands before a weight's name, by the release."""
_HEADS = ("seq_model.", "strong_head.", "weak_head.")


def read_public_checkpoint(file: Path) -> dict[str, Tensor]:
    """The weights of a public checkpoint: the encoder's as `model.NAME`, and `seq_model`, `strong_head`, `weak_head`."""
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    names = {_WRAPPERS.sub("", name): weight for name, weight in state.items()}
    return {name if name.startswith(_HEADS) else f"model.{name}": weight for name, weight in names.items()}


def load_public_checkpoint(tower: nn.Module, file: Path) -> None:
    """Gives a tower the encoder of a public checkpoint, and of its heads those that it has in the same shape.

    A head of another shape, such as one for other classes, stays as it is.

    Raises:
        ValueError: the checkpoint has another encoder.
    """
    weights, own = read_public_checkpoint(file), tower.state_dict()
    heads = {n: w for n, w in weights.items() if n in own and n.startswith(_HEADS) and w.shape == own[n].shape}
    encoder = {name: weight for name, weight in weights.items() if name.startswith("model.")}
    kept = {name: weight for name, weight in own.items() if not name.startswith("model.") and name not in heads}
    try:
        tower.load_state_dict(encoder | heads | kept)
    except RuntimeError as error:
        raise ValueError(f"{file} holds another encoder than {type(tower).__name__}'s: {error}") from error
    logger.info("%s: %d weights taken; as they were: %s", file, len(encoder | heads), ", ".join(kept) or "none")
