"""The checkpoints of a training run, and the weights that a run or an evaluation reads from a checkpoint or a bundle."""

import math
import pickle
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from service.core.manifest import AUDIO_GRAPH, TEXT_GRAPH, verify_bundle
from training.model import LanguageAudioModel
from training.recipe import Recipe, recipe_from_dict, recipe_to_dict
from training.towers.text import SentenceEncoder

CHECKPOINT, BEST = "checkpoint.pt", "best.pt"
"""File names in a run's folder: the newest checkpoint, and the checkpoint with the best validation score."""
HALF, QUANTIZED, TRANSPOSED = "_half", "_quantized", "_Transposed"
"""Suffixes that `model_export` gives to a weight's name when it stores it in half precision, in 8 bits, or transposed."""
MODEL_KEYS = ("name", "version", "start", "centred", "audio", "text")
"""Recipe keys that describe the model of a checkpoint; all other keys describe the training."""
CALIBRATING = ("own_sigmoid.", "centre")
"""Prefixes of the weights that calibrate the scores of each query, which a model has or not, as its recipe says."""
STATES = ("model", "average", "optimizer", "scaler")
"""Attributes of `Run` whose `state_dict` a checkpoint holds."""

Float32 = NDArray[np.float32]


@dataclass(slots=True)
class Run:
    """The state of a training run that changes from step to step.

    Attributes:
        model: the model that is trained.
        average: the same model with the exponential moving average of the weights.
        optimizer: the optimizer, with its moments and learning rates.
        scaler: the gradient scaler, which is active in fp16 only.
        step: number of finished steps.
        best: the best validation score so far; -1 before the first validation.
    """

    model: LanguageAudioModel
    average: LanguageAudioModel
    optimizer: Optimizer
    scaler: GradScaler
    step: int = 0
    best: float = -1.0

    def save(self, file: Path, recipe: Recipe) -> None:
        """Writes a checkpoint to a temporary file and renames it, so that a killed run leaves a complete checkpoint."""
        states = {name: getattr(self, name).state_dict() for name in STATES}
        checkpoint = {
            "recipe": recipe_to_dict(recipe),
            "commit": _commit(),
            "step": self.step,
            "best": self.best,
            **states,
        }
        partial = file.with_suffix(".partial")
        torch.save(checkpoint, partial)
        partial.replace(file)

    def keep_if_best(self, score: float, file: Path, recipe: Recipe) -> None:
        """Writes a checkpoint if this validation score is higher than all earlier scores."""
        if score > self.best:
            self.best = score
            self.save(file, recipe)

    def resume(self, file: Path, recipe: Recipe) -> None:
        """Restores the state from a checkpoint; does nothing if the file does not exist.

        Raises:
            ValueError: the checkpoint was made with another recipe.
        """
        if not file.is_file():
            return
        checkpoint = read_checkpoint(file)
        if recipe_from_dict(checkpoint["recipe"]) != recipe:  # keys that are newer than the checkpoint have defaults
            raise ValueError(f"{file} was made with another recipe; choose another --out, or remove it")
        for name in STATES:
            getattr(self, name).load_state_dict(checkpoint[name])
        self.step, self.best = int(checkpoint["step"]), float(checkpoint["best"])


def read_checkpoint(file: Path) -> dict[str, Any]:
    """The content of a checkpoint on the CPU: `recipe`, `commit`, `step`, `best`, and a `state_dict` for each of `STATES`.

    Raises:
        ValueError: the file is no checkpoint of training.train.
        FileNotFoundError: the file does not exist.
    """
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, struct.error, EOFError, RuntimeError, LookupError, TypeError) as error:
        raise ValueError(f"{file} is no checkpoint of training.train ({type(error).__name__})") from error
    if not isinstance(checkpoint, dict) or "average" not in checkpoint:
        raise ValueError(f"{file} is no checkpoint of training.train")
    return checkpoint


def load_checkpoint(file: Path) -> tuple[LanguageAudioModel, SentenceEncoder, Recipe]:
    """The model of a checkpoint with its averaged weights, its sentence encoder, and a recipe.

    The recipe holds only the keys that describe the model (`MODEL_KEYS` and the teacher's folder) and defaults elsewhere:
    training options change from version to version, and old checkpoints must load.
    """
    checkpoint = read_checkpoint(file)
    saved = checkpoint["recipe"]
    kept = {name: saved[name] for name in MODEL_KEYS if name in saved}
    recipe = recipe_from_dict(kept | {"teacher": {"folder": saved["teacher"]["folder"]}})
    encoder = SentenceEncoder(recipe.text)
    model = LanguageAudioModel(recipe, encoder)
    model.load_state_dict(checkpoint["average"])
    return model.eval(), encoder, recipe


def starting_weights(start: Path, model: LanguageAudioModel) -> dict[str, Tensor]:
    """The weights that a run starts from: those of a bundle in a folder, or the averaged weights in a checkpoint.

    A checkpoint may differ from the model in how scores are calibrated: text-dependent sigmoids or a centre that only one of them
    has are left out of the checkpoint, or keep the values of the model.
    """
    if start.is_dir():
        return bundle_weights(start, model)
    own, saved = model.state_dict(), read_checkpoint(start)["average"]
    kept = {name: weight for name, weight in saved.items() if name in own or not name.startswith(CALIBRATING)}
    return {name: weight for name, weight in own.items() if name.startswith(CALIBRATING)} | kept


def bundle_weights(folder: Path, model: LanguageAudioModel) -> dict[str, Tensor]:
    """A `state_dict` for `model` from the graphs and the calibration of a bundle, in the precision that the bundle stores.

    Raises:
        BundleError: a file of the bundle is missing or damaged.
        ValueError: the bundle lacks a weight of `model`, or holds it in another shape.
    """
    manifest = verify_bundle(folder)
    audio, text = (_graph_weights(folder / name) for name in (AUDIO_GRAPH, TEXT_GRAPH))
    audio |= merged_batch_norms(model.audio, audio)
    state = {"log_scale": torch.tensor(math.log(manifest.scale)), "bias": torch.tensor(manifest.bias)}
    for name, parameter in model.state_dict().items():
        if name not in state:
            stored = (audio if name.startswith("audio.") else text).get(f"model.{name}")
            if stored is None or stored.squeeze().shape != parameter.squeeze().shape:
                came = "no weight" if stored is None else f"a weight of shape {stored.shape}"
                raise ValueError(f"{folder} has {came} for {name}; {tuple(parameter.shape)} is expected by the recipe")
            state[name] = torch.from_numpy(stored.reshape(parameter.shape))
    return state


def merged_batch_norms(tower: nn.Module, stored: Mapping[str, Float32]) -> dict[str, Float32]:
    """The state of batch norms that the exporter merged into the convolutions before them, by names in the graph.

    Such a batch norm adds the bias of the merged convolution and changes nothing else. Its convolution has its position in a
    sequence, minus one.
    """
    state: dict[str, Float32] = {}
    for name, module in tower.named_modules():
        sequence, _, position = name.rpartition(".")
        bias = stored.get(f"model.audio.{sequence}.{int(position) - 1}.weight_bias") if position.isdecimal() else None
        if isinstance(module, nn.BatchNorm2d) and bias is not None:
            ones = np.ones_like(bias)
            values = {"weight": ones, "bias": bias, "running_mean": 0 * ones, "running_var": (1 - module.eps) * ones}
            values["num_batches_tracked"] = np.zeros((), np.float32)
            state |= {f"model.audio.{name}.{key}": value.astype(np.float32) for key, value in values.items()}
    return state


def _graph_weights(graph: Path) -> dict[str, Float32]:
    """The weights of an ONNX graph in float32, by the names of the parameters that they were exported from."""
    stored = {weight.name: numpy_helper.to_array(weight) for weight in onnx.load(graph).graph.initializer}
    weights: dict[str, Float32] = {}
    for name, values in stored.items():
        name = name.removesuffix(HALF)
        if name.endswith(QUANTIZED):
            name = name.removesuffix(QUANTIZED)
            values = values.astype(np.float32) * stored[f"{name}_scale"]
        values = values.astype(np.float32)
        weights[name.removesuffix(TRANSPOSED)] = np.ascontiguousarray(values.T) if name.endswith(TRANSPOSED) else values
    return weights


def _commit() -> str:
    """The commit of the working directory's repository, or "unknown"."""
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"
