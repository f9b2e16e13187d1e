"""8-bit weights and activations, so that each row of a batch comes out as it does alone."""

# onnx ships partial types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.checkpoint import QUANTIZED, TRANSPOSED

LEVELS = 127
MICROSOFT = "com.microsoft"
_CONSTANTS = {
    "row_axis": np.array([-1], np.int64),
    "row_levels": np.array(LEVELS, np.float32),
    "row_least": np.array(1e-9, np.float32),  # a row of zeros
    "row_one": np.array(1, np.float32),
    "row_zero_point": np.array(128, np.uint8),
}


def quantize_rows(graph: onnx.ModelProto) -> None:
    """Lets every product with a constant matrix multiply 8-bit integers, in place.

    The matrix has a scale a column, the activations one a row: a token's, not a batch's as in ONNX Runtime's dynamic
    quantization, which makes a query depend on its neighbours. LLM.int8() (arXiv 2208.07339) calls it vector-wise.
    """
    matrices = {weight.name: numpy_helper.to_array(weight) for weight in graph.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    stored = [numpy_helper.from_array(value, name) for name, value in _CONSTANTS.items()]
    replaced: set[str] = set()
    rows: set[str] = set()
    for node in graph.graph.node:
        if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in matrices:
            nodes.append(node)
            continue
        activations, name = node.input[0], node.input[1]
        if activations not in rows:
            rows.add(activations)
            nodes += _quantized_rows(activations)
        transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        matrix = matrices[name].T if transposed else matrices[name]
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
    """A matrix (C, D) as integers of -127 to 127, and its columns' scales (D,)."""
    scale: NDArray[np.float32] = np.maximum(np.abs(matrix).max(axis=0) / LEVELS, 1e-9).astype(np.float32)
    yield numpy_helper.from_array(np.round(matrix / scale).astype(np.int8), name + QUANTIZED)
    yield numpy_helper.from_array(scale, f"{name}_scale")


def _quantized_rows(x: str) -> list[onnx.NodeProto]:
    """Activations (..., C) as integers around 128, `x_row`, and their rows' scales, `x_row_scale`."""
    return [
        helper.make_node("Abs", [x], [f"{x}_row_absolute"]),
        helper.make_node("ReduceMax", [f"{x}_row_absolute", "row_axis"], [f"{x}_row_largest"], keepdims=1),
        helper.make_node("Max", [f"{x}_row_largest", "row_least"], [f"{x}_row_range"]),
        helper.make_node("Div", [f"{x}_row_range", "row_levels"], [f"{x}_row_scale"]),
        helper.make_node("Div", [x, f"{x}_row_scale"], [f"{x}_row_scaled"]),
        helper.make_node("QuantizeLinear", [f"{x}_row_scaled", "row_one", "row_zero_point"], [f"{x}_row"]),
    ]


def _product(node: onnx.NodeProto, matrix: str) -> list[onnx.NodeProto]:
    """What stands for a MatMul or Gemm whose activations and matrix are quantized."""
    x, y = node.input[0], node.output[0]
    bias = node.input[2] if len(node.input) > 2 else None
    unscaled, unbiased = f"{y}_unscaled", f"{y}_unbiased" if bias else y
    inputs = [f"{x}_row", matrix + QUANTIZED, "row_one", f"{matrix}_scale", "row_zero_point"]
    product = [
        helper.make_node("MatMulIntegerToFloat", inputs, [unscaled], domain=MICROSOFT),
        helper.make_node("Mul", [unscaled, f"{x}_row_scale"], [unbiased]),
    ]
    return [*product, helper.make_node("Add", [unbiased, bias], [y])] if bias else product
