"""The weights of a bundle, for a run that begins with them."""

import math
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from service.core.manifest import AUDIO_GRAPH, TEXT_GRAPH, verify_bundle
from training.model import LanguageAudioModel

HALF, QUANTIZED, TRANSPOSED = "_half", "_quantized", "_Transposed"
"""What stands behind a weight's name, by how `model_export` stores it: in half precision, in 8 bits, or transposed."""

Float32 = NDArray[np.float32]


def bundle_weights(folder: Path, model: LanguageAudioModel) -> dict[str, Tensor]:
    """A state for `model` from the graphs and the calibration of a bundle: as exact as they keep it.

    Raises:
        BundleError: the bundle is not complete or not intact.
        ValueError: it holds a model of another shape.
    """
    manifest = verify_bundle(folder)
    audio, text = (_weights(folder / name) for name in (AUDIO_GRAPH, TEXT_GRAPH))
    state = {"log_scale": torch.tensor(math.log(manifest.scale)), "bias": torch.tensor(manifest.bias)}
    for name, parameter in model.state_dict().items():
        if name not in state:
            stored = (audio if name.startswith("audio.") else text).get(f"model.{name}")
            if stored is None or stored.squeeze().shape != parameter.squeeze().shape:
                came = "none" if stored is None else f"one of shape {stored.shape}"
                raise ValueError(f"{folder} has {came} for {name}; {tuple(parameter.shape)} is expected by the recipe")
            state[name] = torch.from_numpy(stored.reshape(parameter.shape))
    return state


def _weights(graph: Path) -> dict[str, Float32]:
    """The graph's weights in float32 by the names of the parameters that they were."""
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
