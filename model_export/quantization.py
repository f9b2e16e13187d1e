"""Quantization to 8 bits in which each row of a batch gets the same result as alone."""

# onnx ships partial types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.checkpoint import QUANTIZED, TRANSPOSED

LEVELS = 127
LEAST_RANGE = 1e-9
"""Smallest range of the activations in a row that is told from zeros, unless another one is given."""
MICROSOFT = "com.microsoft"
_CONSTANTS = {
    "row_axis": np.array([-1], np.int64),
    "row_levels": np.array(LEVELS, np.float32),
    "row_least": np.array(LEAST_RANGE, np.float32),
    "row_one": np.array(1, np.float32),
    "row_zero_point": np.array(128, np.uint8),
}


def quantize_rows(graph: onnx.ModelProto, min_elements: int = 0, least_range: float = LEAST_RANGE) -> None:
    """Replaces every product with a constant matrix by a product of 8-bit integers, in place.

    The matrix has one scale for each column, and the activations have one scale for each row, that is, for each token.
    LLM.int8() (arXiv 2208.07339) calls this vector-wise quantization. ONNX Runtime's dynamic quantization has one scale
    for the whole batch, which makes a query depend on the other queries.

    A matrix with a single column stays in single precision: it is small, and its result is a number that matters by
    itself, such as the bias of a query.

    Args:
        graph: The graph.
        min_elements: Matrices with fewer elements stay in single precision.
        least_range: Smallest range of a row that is told from zeros, above 0.
    """
    matrices = {weight.name: numpy_helper.to_array(weight) for weight in graph.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    constants = _CONSTANTS | {"row_least": np.array(least_range, np.float32)}
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    replaced: set[str] = set()
    rows: set[str] = set()
    for node in graph.graph.node:
        name = node.input[1] if node.op_type in ("MatMul", "Gemm") else ""
        transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        matrix = matrices[name].T if transposed and name in matrices else matrices.get(name)
        if matrix is None or matrix.shape[-1] == 1 or matrix.size < min_elements:
            nodes.append(node)
            continue
        activations = node.input[0]
        if activations not in rows:
            rows.add(activations)
            nodes += _quantized_rows(activations)
        stored_as = name + TRANSPOSED if transposed else name
        if stored_as not in replaced:
            replaced |= {name, stored_as}
            stored += _quantized_columns(stored_as, matrix)
        nodes += _product(node, stored_as)
    stored += [weight for weight in graph.graph.initializer if weight.name not in replaced]
    del graph.graph.node[:], graph.graph.initializer[:], graph.graph.value_info[:]
    graph.graph.node.extend(nodes)
    graph.graph.initializer.extend(stored)
    graph.opset_import.append(helper.make_opsetid(MICROSOFT, 1))


def _quantized_columns(name: str, matrix: NDArray[np.float32]) -> Iterator[onnx.TensorProto]:
    """The initializers of a matrix (C, D): integers from -127 to 127, and the scales of the columns (D,)."""
    scale: NDArray[np.float32] = np.maximum(np.abs(matrix).max(axis=0) / LEVELS, 1e-9).astype(np.float32)
    yield numpy_helper.from_array(np.round(matrix / scale).astype(np.int8), name + QUANTIZED)
    yield numpy_helper.from_array(scale, f"{name}_scale")


def _quantized_rows(x: str) -> list[onnx.NodeProto]:
    """Nodes that turn activations (..., C) into integers around 128, `x_row`, and scales of the rows, `x_row_scale`."""
    return [
        helper.make_node("Abs", [x], [f"{x}_row_absolute"]),
        helper.make_node("ReduceMax", [f"{x}_row_absolute", "row_axis"], [f"{x}_row_largest"], keepdims=1),
        helper.make_node("Max", [f"{x}_row_largest", "row_least"], [f"{x}_row_range"]),
        helper.make_node("Div", [f"{x}_row_range", "row_levels"], [f"{x}_row_scale"]),
        helper.make_node("Div", [x, f"{x}_row_scale"], [f"{x}_row_scaled"]),
        helper.make_node("QuantizeLinear", [f"{x}_row_scaled", "row_one", "row_zero_point"], [f"{x}_row"]),
    ]


def _product(node: onnx.NodeProto, matrix: str) -> list[onnx.NodeProto]:
    """Nodes that replace a MatMul or Gemm, given quantized activations and a quantized matrix."""
    x, y = node.input[0], node.output[0]
    bias = node.input[2] if len(node.input) > 2 else None
    unscaled, unbiased = f"{y}_unscaled", f"{y}_unbiased" if bias else y
    inputs = [f"{x}_row", matrix + QUANTIZED, "row_one", f"{matrix}_scale", "row_zero_point"]
    product = [
        helper.make_node("MatMulIntegerToFloat", inputs, [unscaled], domain=MICROSOFT),
        helper.make_node("Mul", [unscaled, f"{x}_row_scale"], [unbiased]),
    ]
    return [*product, helper.make_node("Add", [unbiased, bias], [y])] if bias else product
