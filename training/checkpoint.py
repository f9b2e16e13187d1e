"""What a run leaves on disk, and how it goes on from there."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from training.from_bundle import bundle_weights
from training.model import LanguageAudioModel
from training.recipe import Recipe, recipe_to_dict

CHECKPOINT = "checkpoint.pt"


@dataclass(slots=True)
class Run:
    """What changes while a run goes on: `step` is the number of steps done, `average` the model with averaged weights."""

    model: LanguageAudioModel
    average: LanguageAudioModel
    optimizer: Optimizer
    scaler: GradScaler
    step: int = 0

    def save(self, file: Path, recipe: Recipe) -> None:
        """Writes a checkpoint beside and moves it into place, so that a kill leaves the old one or the new one."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "average", "optimizer", "scaler")}
        state = {"recipe": recipe_to_dict(recipe), "commit": _commit(), "step": self.step, **parts}
        partial = file.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(file)

    def resume(self, file: Path, recipe: Recipe) -> None:
        """Goes on from a checkpoint, if there is one.

        Raises:
            ValueError: the checkpoint was made with another recipe.
        """
        if not file.is_file():
            return
        state = torch.load(file, map_location="cpu", weights_only=True)
        if state["recipe"] != recipe_to_dict(recipe):
            raise ValueError(f"{file} was made with another recipe; choose another --out, or remove it")
        for name in ("model", "average", "optimizer", "scaler"):
            getattr(self, name).load_state_dict(state[name])
        self.step = int(state["step"])


def starting_weights(start: Path, model: LanguageAudioModel) -> dict[str, Tensor]:
    """The averaged weights of an earlier run's checkpoint, or those of a bundle's folder."""
    if start.is_dir():
        return bundle_weights(start, model)
    return torch.load(start, map_location="cpu", weights_only=True)["average"]


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
