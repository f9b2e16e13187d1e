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

CHECKPOINT, BEST = "checkpoint.pt", "best.pt"


@dataclass(slots=True)
class Run:
    """What changes while a run goes on.

    Attributes:
        model: what learns.
        average: the model with averaged weights.
        optimizer: moments and rates.
        scaler: the factor of fp16's losses.
        step: how many steps are done.
        best: the best score in validation so far.
    """

    model: LanguageAudioModel
    average: LanguageAudioModel
    optimizer: Optimizer
    scaler: GradScaler
    step: int = 0
    best: float = -1.0

    def save(self, file: Path, recipe: Recipe) -> None:
        """Writes a checkpoint beside and moves it into place, so that a kill leaves the old one or the new one."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "average", "optimizer", "scaler")}
        state = {"recipe": recipe_to_dict(recipe), "commit": _commit(), "step": self.step, "best": self.best, **parts}
        partial = file.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(file)

    def keep_if_best(self, score: float, file: Path, recipe: Recipe) -> None:
        """Writes a checkpoint if this score in validation is better than all before."""
        if score > self.best:
            self.best = score
            self.save(file, recipe)

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
        self.step, self.best = int(state["step"]), float(state["best"])


def starting_weights(start: Path, model: LanguageAudioModel) -> dict[str, Tensor]:
    """The averaged weights of an earlier run's checkpoint, or those of a bundle's folder."""
    if start.is_dir():
        return bundle_weights(start, model)
    return torch.load(start, map_location="cpu", weights_only=True)["average"]


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
