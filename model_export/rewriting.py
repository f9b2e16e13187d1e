"""Operators of a float32 graph replaced by others that compute the same in less time on a CPU."""

# onnx ships partial types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

_SLICES = 8
"""Parts of a tensor that are compared with each other."""


def rewrite_average_pools(graph: onnx.ModelProto) -> None:
    """Replaces moving averages over the last axis by products with a matrix that has a band of equal values, in place.

    ONNX Runtime computes each average anew from all its values. Averages of other kinds stay: of several axes, with steps, that
    count no padding, or over an axis whose length is not fixed.
    """
    shapes = _shapes(graph)
    for node in graph.graph.node:
        length = shapes.get(node.input[0], [0])[-1] if node.op_type == "AveragePool" else 0
        if not length or not _is_moving_average(_attributes(node)):
            continue
        (width,) = _attributes(node)["kernel_shape"]
        frame = np.arange(length)
        band = np.where(np.abs(frame[:, None] - frame) <= width // 2, 1 / width, 0).astype(np.float32)
        name = _stored(graph, f"band_{length}_{width}", band)
        node.CopyFrom(helper.make_node("MatMul", [node.input[0], name], list(node.output)))


def rewrite_sums_of_stacks(graph: onnx.ModelProto) -> None:
    """Replaces sums over stacked tensors by sums of the tensors, which need no stack, in place."""
    makers = _makers(graph)
    for node in graph.graph.node:
        if node.op_type != "ReduceSum" or _attributes(node).get("keepdims", 1):
            continue
        stack, axes = makers.get(node.input[0]), _axes(graph, node)
        if stack is None or stack.op_type != "Concat" or axes != [_attributes(stack)["axis"]]:
            continue
        parts = [part for name in stack.input if (part := makers.get(name))]
        if len(parts) == len(stack.input) and all(
            part.op_type == "Unsqueeze" and part.input[1] == node.input[1] for part in parts
        ):
            node.CopyFrom(helper.make_node("Sum", [part.input[0] for part in parts], list(node.output)))


def rewrite_means_over_height(graph: onnx.ModelProto) -> None:
    """Replaces means over the height of maps (B, C, height, width) by convolutions of each channel with equal values, in place.

    ONNX Runtime's mean over an inner axis is slow. A convolution reads a map in the layout that the convolution before it wrote.
    """
    shapes = _shapes(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.graph.node:
        shape = shapes.get(node.input[0], []) if node.op_type == "ReduceMean" else []
        if len(shape) != 4 or not all(shape[1:3]) or _axes(graph, node) != [2] or _attributes(node).get("keepdims", 1):
            nodes.append(node)
            continue
        _, channels, height, _ = shape
        kernel = _stored(graph, f"mean_{channels}_{height}", np.full((channels, 1, height, 1), 1 / height, np.float32))
        mean = f"{node.output[0]}_with_height"
        nodes.append(helper.make_node("Conv", [node.input[0], kernel], [mean], group=channels))
        nodes.append(helper.make_node("Squeeze", [mean, node.input[1]], list(node.output)))
    _replace_nodes(graph, nodes)


def rewrite_largest_values(graph: onnx.ModelProto) -> None:
    """Replaces the largest values over the middle axis of a tensor by those of eight slices, and the largest of these, in place.

    ONNX Runtime compares whole tensors with vector instructions, and the values over a middle axis one by one. Only the largest
    values over the last axis of a transpose are replaced, because the exporter writes those of a spectrogram so.
    """
    shapes, makers = _shapes(graph), _makers(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.graph.node:
        transpose = makers.get(node.input[0]) if node.op_type == "ReduceMax" else None
        if (
            transpose is not None
            and transpose.op_type == "Transpose"
            and _attributes(transpose).get("perm") == [0, 2, 1]
            and _axes(graph, node) == [2]
            and not _attributes(node).get("keepdims", 1)
            and not (shapes.get(node.input[0], [0])[-1] or 1) % _SLICES
        ):
            slices = [f"{node.output[0]}_slice{number}" for number in range(_SLICES)]
            axis = _stored(graph, "slice_axis", np.array([1], np.int64))
            nodes.append(helper.make_node("Split", [transpose.input[0]], slices, axis=1, num_outputs=_SLICES))
            nodes.append(helper.make_node("Max", slices, [f"{node.output[0]}_of_slices"]))
            node.input[:] = [f"{node.output[0]}_of_slices", axis]
        nodes.append(node)
    _replace_nodes(graph, nodes)


def _replace_nodes(graph: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)


def _stored(graph: onnx.ModelProto, name: str, values: NDArray[Any]) -> str:
    """The name of a constant, which is stored if the graph has none of this name."""
    if name not in {constant.name for constant in graph.graph.initializer}:
        graph.graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def _shapes(graph: onnx.ModelProto) -> dict[str, list[int]]:
    """The shapes of inner values that are known, by name; an axis whose length is not fixed has 0."""
    return {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in shape_inference.infer_shapes(graph).graph.value_info
        if value.type.tensor_type.shape.dim
    }


def _makers(graph: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """The node that computes each value."""
    return {name: node for node in graph.graph.node for name in node.output}


def _axes(graph: onnx.ModelProto, node: onnx.NodeProto) -> list[int] | None:
    """The axes of a reduction, which are its second input; None if it has no such input, or one that is no constant."""
    constants = (constant for constant in graph.graph.initializer if constant.name in node.input[1:2])
    return next((numpy_helper.to_array(constant).ravel().tolist() for constant in constants), None)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The attributes of a node that are set, by name."""
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _is_moving_average(options: dict[str, Any]) -> bool:
    """Whether the attributes of an AveragePool are those of a centred average of each value and its neighbours."""
    width = options["kernel_shape"]
    defaults = {"dilations": [1], "auto_pad": b"NOTSET"}
    wanted = {"strides": [1], "pads": [width[0] // 2] * 2, "count_include_pad": 1, **defaults}
    is_usual = all((defaults | options).get(name) == value for name, value in wanted.items())
    return is_usual and len(width) == 1 and width[0] % 2 == 1
