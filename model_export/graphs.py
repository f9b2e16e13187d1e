"""Export of the two towers to ONNX files, and the storage formats of their weights."""

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
from onnxscript.optimizer import remove_unused_nodes
from torch import Tensor, nn
from torch.export import Dim

from model_export.channel_layout import PlanarTemporalBlock, widened_trunk
from model_export.errors import WeightLost
from model_export.folded_front_end import FoldedLogMel
from model_export.quantization import quantize_rows
from model_export.recurrence import OnnxGru
from model_export.replacement import replaced
from model_export.rewriting import (
    rewrite_average_pools,
    rewrite_largest_values,
    rewrite_means_over_height,
    rewrite_sums_of_stacks,
)
from training.checkpoint import HALF, TRANSPOSED
from training.model import LanguageAudioModel
from training.towers.compact import TemporalBlock
from training.towers.front_end import WideLogMel
from training.towers.pyramid import MobileNetTrunk
from training.towers.text import SentenceEncoder

OPSET, CPU_OPSET = 18, 20
"""Versions of the ONNX operators in audio.onnx and text.onnx, and in audio_cpu.onnx, which has GELU as one operator."""
HALF_PRECISION_FROM = 4096
"""Weights of the audio graph with at least this many elements are stored in half precision."""
QUANTIZED_FROM = 1 << 16
"""Matrices of the CPU's audio graph with at least this many elements are quantized: below, the quantization takes more time than
it saves."""
CPU_LEAST_RANGE = 1e-30
"""Smallest range of the activations in a row of the CPU's audio graph that is told from zeros."""


class AudioGraph(nn.Module):
    """The computation of audio.onnx."""

    def __init__(self, model: LanguageAudioModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, waveform: Tensor) -> Tensor:
        """Waveforms (B, N) to frame embeddings (B, T, D)."""
        return self.model.served_frames(waveform)


class TextGraph(nn.Module):
    """The computation of text.onnx: sentence encoder, projection, and text-dependent sigmoids if the model has them."""

    def __init__(self, encoder: SentenceEncoder, model: LanguageAudioModel) -> None:
        super().__init__()
        self.encoder, self.model = encoder, model

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs of `forward`."""
        return ("embedding", "sigmoid") if self.model.own_sigmoid else ("embedding",)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Token ids and mask (Q, L) to query embeddings (Q, D), and scales and biases (Q, 2) if there are any."""
        queries = self.model.served_queries(self.encoder(input_ids, attention_mask))
        return (queries, self.model.own_sigmoid.stacked(queries)) if self.model.own_sigmoid else queries


def round_to_half(model: LanguageAudioModel) -> None:
    """Rounds the large weights of the audio tower to half precision, in place: the weights that the bundle holds."""
    with torch.no_grad():
        for parameter in model.audio.parameters():
            if parameter.numel() >= HALF_PRECISION_FROM:
                parameter.copy_(parameter.half().float())


def export_audio(model: LanguageAudioModel, file: Path) -> None:
    """Writes audio.onnx: `waveform` (B, N) to `frames` (B, T, D).

    N is any length that the tower accepts, or exactly one window if the tower has a longest input. The weights in
    `AudioTower.named_weights` are stored under the names of their parameters, so that training can start from the bundle. The
    exporter merges or reorders other layers, whose weights keep the names of the exporter.
    """
    tower = model.audio
    hop, lengths = tower.hop_samples, tower.lengths
    axes: dict[int, Any] = {0: Dim("batch")}
    n_frames = tower.window_frames
    if lengths.max_steps is None:
        n_frames = lengths.frames(lengths.min_steps + 3)
        axes[1] = hop * lengths.step_frames * Dim("steps", min=lengths.min_steps) + hop * lengths.extra_frames
    with replaced(tower, nn.GRU, OnnxGru):
        _export(AudioGraph(model), {"waveform": torch.zeros(2, n_frames * hop)}, axes, ("frames",), file)
    graph = onnx.load(file)
    name_weights(graph, {f"model.audio.{name}": weight for name, weight in tower.named_weights().items()})
    store_in_half_precision(graph)
    onnx.save(graph, file)


def export_cpu_audio(model: LanguageAudioModel, file: Path) -> None:
    """Writes audio_cpu.onnx, which computes what audio.onnx computes in less time on a CPU: one window of `waveform` to `frames`.

    The front end is folded, convolutions get shapes for which ONNX Runtime has faster kernels, some operators are rewritten,
    and large matrices are quantized to 8 bits, for which ONNX Runtime has no products on GPUs.
    """
    tower = model.audio
    waveform = torch.zeros(2, tower.window_frames * tower.hop_samples)
    with (
        replaced(tower, nn.GRU, OnnxGru),
        replaced(tower, WideLogMel, FoldedLogMel),
        replaced(tower, MobileNetTrunk, widened_trunk),
        replaced(tower, TemporalBlock, PlanarTemporalBlock),
    ):
        _export(AudioGraph(model), {"waveform": waveform}, {0: Dim("batch")}, ("frames",), file, CPU_OPSET)
    graph = onnx.load(file)
    rewrite_average_pools(graph)
    rewrite_sums_of_stacks(graph)
    rewrite_means_over_height(graph)
    rewrite_largest_values(graph)
    remove_unused_nodes(graph)  # such as stacks that are no longer summed: ONNX Runtime would run them
    quantize_rows(graph, QUANTIZED_FROM, CPU_LEAST_RANGE)
    store_in_half_precision(graph)
    onnx.save(graph, file)


def gains_from_cpu_graph(model: LanguageAudioModel) -> bool:
    """Whether the audio tower has matrices that are large enough to be quantized."""
    return any(
        isinstance(layer, nn.Linear) and layer.weight.numel() >= QUANTIZED_FROM for layer in model.audio.modules()
    )


def export_text(text_graph: TextGraph, file: Path) -> None:
    """Writes text.onnx, quantized to 8 bits: ids and mask (Q, L) to the outputs of `TextGraph`."""
    ids = torch.ones(2, 8, dtype=torch.int64)
    mask = ids.clone()
    mask[0, 5:] = 0  # with an example without padding, the exported graph would ignore the mask
    with tempfile.TemporaryDirectory() as folder:
        partial = Path(folder) / "partial.onnx"
        axes = {0: Dim("queries"), 1: Dim("tokens")}
        _export(text_graph, {"input_ids": ids, "attention_mask": mask}, axes, text_graph.outputs, partial)
        graph = onnx.load(partial)
        quantize_rows(graph)
        onnx.save(graph, partial)
        quantize_dynamic(partial, file, weight_type=QuantType.QInt8, op_types_to_quantize=["Gather"])


def _export(
    module: nn.Module,
    inputs: dict[str, Tensor],
    axes: dict[int, Any],
    outputs: tuple[str, ...],
    file: Path,
    opset: int = OPSET,
) -> None:
    """Traces a module whose inputs all have the same dynamic axes, and writes its graph.

    Args:
        module: Takes the inputs in order.
        inputs: Example inputs by name.
        axes: The dynamic axes of each input.
        outputs: Names for the outputs of the module, in order.
        file: File to write.
        opset: Version of the ONNX operators.
    """
    program = torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        input_names=list(inputs),
        dynamic_shapes=tuple(axes for _ in inputs),
        opset_version=opset,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    graph = program.model.graph
    for value in (value for node in graph for value in node.outputs if value.name in outputs):
        value.name = f"inner_{value.name}"  # the exporter may have used the name of an output inside the graph
    for value, name in zip(graph.outputs, outputs, strict=True):
        value.name = name
    program.save(file)
    exported = onnx.load(file)
    for part in (*exported.graph.node, *exported.graph.input, *exported.graph.output, *exported.graph.value_info):
        del part.metadata_props[:]  # source file and line of every node, with paths of this machine
    onnx.save(exported, file)


def name_weights(graph: onnx.ModelProto, weights: Mapping[str, Tensor]) -> None:
    """Renames the weights that the exporter reshaped or transposed after their parameters, in place.

    Training can start from a bundle whose weights have these names; see `training.checkpoint`.

    Raises:
        WeightLost: A parameter is not in the graph.
    """
    stored = {w.name: numpy_helper.to_array(w) for w in graph.graph.initializer if w.data_type == TensorProto.FLOAT}
    parameters = {name: weight.detach().numpy() for name, weight in weights.items()}
    anonymous = {name: values for name, values in stored.items() if name not in parameters}
    names: dict[str, str] = {}
    for name in parameters.keys() - stored.keys():
        values = parameters[name]
        for wanted, suffix in ((values, ""), (values.T, TRANSPOSED)):
            same = (
                n for n, stored_values in anonymous.items() if np.array_equal(stored_values.squeeze(), wanted.squeeze())
            )
            stored_name = next(same, None)
            if stored_name is not None:
                names[stored_name] = name + suffix
                del anonymous[stored_name]
                break
        else:
            raise WeightLost(name)
    for weight in graph.graph.initializer:
        weight.name = names.get(weight.name, weight.name)
    for node in graph.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def store_in_half_precision(graph: onnx.ModelProto) -> None:
    """Stores large weights as float16, each followed by a Cast to float32, in place.

    ONNX Runtime folds the Cast when it loads the graph. Weights that half precision does not hold exactly (the Fourier
    basis) stay in float32, so that only the size of the file changes.
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
