"""Operators of a float32 graph replaced by others that compute the same in less time on a CPU."""

# onnx ships partial types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference


def rewrite_average_pools(graph: onnx.ModelProto) -> None:
    """Replaces moving averages over the last axis by products with a matrix that has a band of equal values, in place.

    ONNX Runtime computes each average anew from all its values. Averages of other kinds stay: of several axes, with steps, that
    count no padding, or over an axis whose length is not fixed.
    """
    lengths = {
        value.name: value.type.tensor_type.shape.dim[-1].dim_value
        for value in shape_inference.infer_shapes(graph).graph.value_info
        if value.type.tensor_type.shape.dim
    }
    for node in graph.graph.node:
        length = lengths.get(node.input[0], 0) if node.op_type == "AveragePool" else 0
        if not length or not _is_moving_average(_attributes(node)):
            continue
        (width,) = _attributes(node)["kernel_shape"]
        frame = np.arange(length)
        band = np.where(np.abs(frame[:, None] - frame) <= width // 2, 1 / width, 0).astype(np.float32)
        name = f"band_{length}_{width}"
        if name not in {weight.name for weight in graph.graph.initializer}:
            graph.graph.initializer.append(numpy_helper.from_array(band, name))
        node.CopyFrom(helper.make_node("MatMul", [node.input[0], name], list(node.output)))


def rewrite_sums_of_stacks(graph: onnx.ModelProto) -> None:
    """Replaces sums over stacked tensors by sums of the tensors, which need no stack, in place."""
    makers = {name: node for node in graph.graph.node for name in node.output}
    vectors = {weight.name: weight for weight in graph.graph.initializer if len(weight.dims) == 1}
    axes = {name: numpy_helper.to_array(vector).tolist() for name, vector in vectors.items()}
    for node in graph.graph.node:
        if node.op_type != "ReduceSum" or len(node.input) != 2 or _attributes(node).get("keepdims", 1):
            continue
        stack, axis = makers.get(node.input[0]), node.input[1]
        if stack is None or stack.op_type != "Concat" or axes.get(axis) != [_attributes(stack)["axis"]]:
            continue
        parts = [part for name in stack.input if (part := makers.get(name))]
        if len(parts) == len(stack.input) and all(
            part.op_type == "Unsqueeze" and part.input[1] == axis for part in parts
        ):
            node.CopyFrom(helper.make_node("Sum", [part.input[0] for part in parts], list(node.output)))


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
