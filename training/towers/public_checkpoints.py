"""Reads the public checkpoints of PretrainedSED and EfficientSED (MIT licence), whose weight names differ by release."""

import logging
import re
from pathlib import Path

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

_WRAPPERS = re.compile(r"^(?:(?:net|model|asit|fmn|frame_mn)\.)+")
"""Prefixes of wrapper modules. Which of them precede a weight's name depends on the release."""
_HEADS = ("seq_model.", "strong_head.", "weak_head.")


def read_public_checkpoint(file: Path) -> dict[str, Tensor]:
    """Reads the weights of a public checkpoint under uniform names.

    Returns:
        The encoder's weights as `model.NAME`, and the heads' weights as `seq_model.NAME`, `strong_head.NAME` and
        `weak_head.NAME`.
    """
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    names = {_WRAPPERS.sub("", name): weight for name, weight in state.items()}
    return {name if name.startswith(_HEADS) else f"model.{name}": weight for name, weight in names.items()}


def load_public_checkpoint(tower: nn.Module, file: Path) -> None:
    """Loads the encoder of a public checkpoint into a tower, and the heads whose shapes match.

    Weights of the tower that the checkpoint lacks keep their values. A head whose shape differs, such as a head for other
    classes, also keeps its values.

    Raises:
        ValueError: The checkpoint's encoder differs from the tower's in a name or a shape.
    """
    weights, current = read_public_checkpoint(file), tower.state_dict()
    heads = {n: w for n, w in weights.items() if n in current and n.startswith(_HEADS) and w.shape == current[n].shape}
    encoder = {name: weight for name, weight in weights.items() if name.startswith("model.")}
    kept = {name: weight for name, weight in current.items() if not name.startswith("model.") and name not in heads}
    try:
        tower.load_state_dict(encoder | heads | kept)
    except RuntimeError as error:
        raise ValueError(f"{file} holds an encoder that does not fit {type(tower).__name__}: {error}") from error
    logger.info("%s: %d weights loaded; unchanged: %s", file, len(encoder | heads), ", ".join(kept) or "none")
