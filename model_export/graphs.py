"""Torch modules to ONNX files, and how their weights are stored."""

# onnx, onnxruntime and torch ship partial types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn
from torch.export import Dim

from model_export.errors import WeightLost
from model_export.quantization import quantize_rows
from model_export.recurrence import traceable
from training.checkpoint import HALF, TRANSPOSED
from training.model import LanguageAudioModel
from training.towers.compact import CompactTower
from training.towers.text import SentenceEncoder

OPSET = 18
HALF_PRECISION_FROM = 4096
"""Weights with at least this many elements are stored in half precision."""


class AudioTower(nn.Module):
    """What the audio graph does."""

    def __init__(self, model: LanguageAudioModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, waveform: Tensor) -> Tensor:
        """Waveforms (B, N) to frame embeddings (B, T, D)."""
        return self.model.served_frames(waveform)


class TextTower(nn.Module):
    """What the text graph does: sentence encoder and projection."""

    def __init__(self, encoder: SentenceEncoder, model: LanguageAudioModel) -> None:
        super().__init__()
        self.encoder, self.model = encoder, model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask (Q, L) to query embeddings (Q, D)."""
        return self.model.served_queries(self.encoder(input_ids, attention_mask))


def round_to_half(model: LanguageAudioModel) -> None:
    """Rounds the audio tower's large weights to what half precision holds, in place: the model that is exported."""
    with torch.no_grad():
        for parameter in model.audio.parameters():
            if parameter.numel() >= HALF_PRECISION_FROM:
                parameter.copy_(parameter.half().float())


def export_audio(model: LanguageAudioModel, file: Path) -> None:
    """Writes the audio tower: `waveform` (B, N) to `frames` (B, T, D).

    N is of any length that the tower takes, or of one window if there is a longest. The weights of the compact tower get their
    names back, so that the bundle can be a start for training; other towers have layers that the exporter folds or reorders.
    """
    tower = model.audio
    hop, lengths = tower.hop_samples, tower.lengths
    axes: dict[int, Any] = {0: Dim("batch")}
    n_frames = tower.window_frames
    if lengths.max_steps is None:
        n_frames = lengths.frames(lengths.min_steps + 3)
        axes[1] = hop * lengths.step_frames * Dim("steps", min=lengths.min_steps) + hop * lengths.extra_frames
    with traceable(tower):
        _export(AudioTower(model), {"waveform": torch.zeros(2, n_frames * hop)}, axes, "frames", file)
    graph = onnx.load(file)
    if isinstance(tower, CompactTower):
        name_weights(graph, {f"model.audio.{name}": weight for name, weight in tower.named_parameters()})
    store_in_half_precision(graph)
    onnx.save(graph, file)


def export_text(tower: TextTower, file: Path) -> None:
    """Writes the text tower, quantized to 8 bits: ids and mask (Q, L) to `embedding` (Q, D)."""
    ids = torch.ones(2, 8, dtype=torch.int64)
    mask = ids.clone()
    mask[0, 5:] = 0  # an example without padding would be traced as if there never were any
    with tempfile.TemporaryDirectory() as folder:
        partial = Path(folder) / "partial.onnx"
        axes = {0: Dim("queries"), 1: Dim("tokens")}
        _export(tower, {"input_ids": ids, "attention_mask": mask}, axes, "embedding", partial)
        graph = onnx.load(partial)
        quantize_rows(graph)
        onnx.save(graph, partial)
        quantize_dynamic(partial, file, weight_type=QuantType.QInt8, op_types_to_quantize=["Gather"])


def _export(module: nn.Module, inputs: dict[str, Tensor], axes: dict[int, Any], output: str, file: Path) -> None:
    """Traces a module whose inputs all have the same dynamic axes."""
    program = torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        input_names=list(inputs),
        dynamic_shapes=tuple(axes for _ in inputs),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    graph = program.model.graph
    for value in (value for node in graph for value in node.outputs if value.name == output):
        value.name = f"inner_{output}"
    graph.outputs[0].name = output
    program.save(file)
    exported = onnx.load(file)
    for part in (*exported.graph.node, *exported.graph.input, *exported.graph.output, *exported.graph.value_info):
        del part.metadata_props[:]  # where in which file of this machine each was made
    onnx.save(exported, file)


def name_weights(graph: onnx.ModelProto, weights: Mapping[str, Tensor]) -> None:
    """Gives weights that the exporter reshaped or transposed their parameters' names back, in place.

    So a bundle can be a start for training: `training.checkpoint`.

    Raises:
        WeightLost: a parameter is not in the graph.
    """
    stored = {w.name: numpy_helper.to_array(w) for w in graph.graph.initializer if w.data_type == TensorProto.FLOAT}
    parameters = {name: weight.detach().numpy() for name, weight in weights.items()}
    anonymous = {name: values for name, values in stored.items() if name not in parameters}
    names: dict[str, str] = {}
    for name in parameters.keys() - stored.keys():
        values = parameters[name]
        for wanted, suffix in ((values, ""), (values.T, TRANSPOSED)):
            found = next((n for n, one in anonymous.items() if np.array_equal(one.squeeze(), wanted.squeeze())), None)
            if found is not None:
                names[found] = name + suffix
                del anonymous[found]
                break
        else:
            raise WeightLost(name)
    for weight in graph.graph.initializer:
        weight.name = names.get(weight.name, weight.name)
    for node in graph.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def store_in_half_precision(graph: onnx.ModelProto) -> None:
    """Stores large weights as float16 behind a Cast, in place; ONNX Runtime folds the Cast when it loads the graph.

    Values that half precision does not hold exactly (the Fourier basis) stay as they are, so that nothing changes but the size.
    """
    casts: list[onnx.NodeProto] = []
    for weight in graph.graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weight)
        half = values.astype(np.float16)
        if values.size < HALF_PRECISION_FROM or not np.array_equal(half.astype(np.float32), values):
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(half, name + HALF))
        casts.append(helper.make_node("Cast", [name + HALF], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.graph.node.insert(0, cast)
