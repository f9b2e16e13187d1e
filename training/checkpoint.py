"""What a run leaves on disk, and how it goes on from there."""

import subprocess
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from training.from_bundle import bundle_weights
from training.model import LanguageAudioModel
from training.recipe import Recipe, recipe_to_dict

CHECKPOINT = "checkpoint.pt"


def save(file: Path, recipe: Recipe, model: nn.Module, average: nn.Module, optimizer: Optimizer, step: int) -> None:
    """Writes a checkpoint beside and moves it into place, so that a kill leaves the old one or the new one."""
    state = {
        "recipe": recipe_to_dict(recipe),
        "commit": _commit(),
        "step": step,
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    partial = file.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(file)


def resume(file: Path, recipe: Recipe, model: nn.Module, average: nn.Module, optimizer: Optimizer) -> int:
    """Loads a checkpoint, if there is one; returns the number of steps done.

    Raises:
        ValueError: the checkpoint was made with another recipe.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.is_file():
        return 0
    state = torch.load(file, map_location="cpu", weights_only=True)
    if state["recipe"] != recipe_to_dict(recipe):
        raise ValueError(f"{file} was made with another recipe; choose another --out, or remove it")
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def starting_weights(start: Path, model: LanguageAudioModel) -> dict[str, Tensor]:
    """The averaged weights of an earlier run's checkpoint, or those of a bundle's folder."""
    if start.is_dir():
        return bundle_weights(start, model)
    return torch.load(start, map_location="cpu", weights_only=True)["average"]


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
