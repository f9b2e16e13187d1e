"""audio.onnx in half precision, for the benchmark only: in the bundle it computes in single precision."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_HALF, _SINGLE = "_as_half", "_as_single"


def to_half(source: Path, target: Path) -> None:
    """Writes a copy of an audio graph that computes in half precision; its input and output stay in single precision.

    The spectrum before the first two-dimensional convolution stays in single precision, because half precision does not hold
    the power of a quiet sound beside that of a loud one. The normalization of the embeddings stays so too, because a sum of
    squares can exceed the largest half-precision number (65504).
    """
    model = onnx.load(source)
    widen_weights(model)
    graph = model.graph
    floats = float_tensors(model)
    weights = {weight.name: weight for weight in graph.initializer if weight.data_type == TensorProto.FLOAT}
    single = single_precision_nodes(graph)
    made_single = {name for index in single for name in graph.node[index].output} | {
        value.name for value in graph.input
    }
    casts: set[str] = set()
    for index, node in enumerate(graph.node):
        is_half = index not in single
        if node.op_type == "Shape":  # reads any type
            continue
        for place, name in enumerate(node.input):
            if name in weights and is_half:
                node.input[place] = name + _HALF
                weights.setdefault(name + _HALF, numpy_helper.from_array(_rounded(weights[name]), name + _HALF))
            elif name in floats and name not in weights and (name in made_single) == is_half:
                node.input[place] = name + (_HALF if is_half else _SINGLE)
                casts.add(node.input[place])
        if is_half and node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT:
            node.attribute[0].i = TensorProto.FLOAT16
    nodes = [part for node in graph.node for part in (node, *_casts_after(node, casts))]
    weights = {weight.name: weight for weight in graph.initializer} | weights
    read = [weights[name] for name in dict.fromkeys(name for node in nodes for name in node.input) if name in weights]
    for field, parts in (("node", nodes), ("initializer", read), ("value_info", [])):
        graph.ClearField(field)
        getattr(graph, field).extend(parts)
    onnx.save(model, target)


def widen_weights(model: onnx.ModelProto) -> None:
    """Replaces each stored half-precision weight and the Cast after it by a single-precision weight, in place."""
    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer}
    for cast in [node for node in graph.node if node.op_type == "Cast" and node.input[0] in weights]:
        half = weights[cast.input[0]]
        wide = numpy_helper.to_array(half).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(wide, cast.output[0]))
        graph.initializer.remove(half)
        graph.node.remove(cast)


def float_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of the single-precision tensors that the nodes of a graph make or read."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    return {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}


def single_precision_nodes(graph: onnx.GraphProto) -> set[int]:
    """Places of the nodes before the first two-dimensional convolution, and of those from the norm of the embeddings on."""
    makers = {output: index for index, node in enumerate(graph.node) for output in node.output}
    images = next(node for node in graph.node if node.op_type == "Conv" and _n_dimensions(node) == 2)
    kept: set[int] = set()
    waiting = [images.input[0]]
    while waiting:
        index = makers.get(waiting.pop())
        if index is not None and index not in kept:
            kept.add(index)
            waiting += graph.node[index].input
    late: set[str] = set()
    for index, node in enumerate(graph.node):  # in the order of computation
        if node.op_type == "ReduceL2" or late & set(node.input):
            late |= set(node.output)
            kept.add(index)
    return kept


def _rounded(weight: onnx.TensorProto) -> NDArray[np.float16]:
    """A weight in half precision; numbers too small for it become the smallest one, because some are divided by."""
    wide = numpy_helper.to_array(weight)
    half = wide.astype(np.float16)
    smallest = np.finfo(np.float16).smallest_subnormal
    return np.where((half == 0) & (wide != 0), np.sign(wide).astype(np.float16) * smallest, half)


def _casts_after(node: onnx.NodeProto, casts: set[str]) -> list[onnx.NodeProto]:
    kinds = ((_HALF, TensorProto.FLOAT16), (_SINGLE, TensorProto.FLOAT))
    return [
        helper.make_node("Cast", [name], [name + ending], to=kind)
        for name in node.output
        for ending, kind in kinds
        if name + ending in casts
    ]


def _n_dimensions(convolution: onnx.NodeProto) -> int:
    return next(len(part.ints) for part in convolution.attribute if part.name == "kernel_shape")
