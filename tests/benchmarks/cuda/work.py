"""The arithmetic of a graph, and the arithmetic that a device can do: what a share of the peak is computed from."""

# onnxruntime ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

PEAKS_TFLOPS = {
    "H100 80GB HBM3": {"fp32": 66.9, "TF32": 494.7, "fp16": 989.4},
    "H200": {"fp32": 66.9, "TF32": 494.7, "fp16": 989.4},
    "A100-SXM4": {"fp32": 19.5, "TF32": 156.0, "fp16": 312.0},
    "L4": {"fp32": 30.3, "TF32": 60.0, "fp16": 121.0},
}
"""Dense TFLOP/s of graphics cards in NVIDIA's data sheets, by a part of the card's name."""

_COUNTED = ("Conv", "MatMul")


def count_flops(graph: Path, window: NDArray[np.float32]) -> float:
    """Counts the floating-point operations of a graph for one window, shape (1, N).

    A multiplication and an addition count as two. Only convolutions and matrix products count: 2 for each element of the output,
    times the number of products that it sums. The graph runs once on the CPU, which tells the shapes.
    """
    model = onnx.load(graph)
    nodes = [node for node in model.graph.node if node.op_type in _COUNTED]
    known = {value.name for value in (*model.graph.output, *model.graph.initializer)}
    wanted = dict.fromkeys(name for node in nodes for name in (*node.input[:2], *node.output) if name not in known)
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in wanted)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    shapes = {weight.name: tuple(weight.dims) for weight in model.graph.initializer}
    names = [output.name for output in session.get_outputs()]
    for name, value in zip(names, session.run(names, {session.get_inputs()[0].name: window}), strict=True):
        shapes[name] = np.asarray(value).shape
    return float(
        sum(_flops(node.op_type, *(shapes[name] for name in (*node.input[:2], node.output[0]))) for node in nodes)
    )


def _flops(kind: str, left: tuple[int, ...], right: tuple[int, ...], output: tuple[int, ...]) -> int:
    """Operations of one node.

    >>> _flops("MatMul", (5, 3), (3, 4), (5, 4))
    120
    >>> _flops("Conv", (1, 8, 10), (16, 4, 3), (1, 16, 8))
    3072
    """
    n_summed = left[-1] if kind == "MatMul" else math.prod(right[1:])  # channels of a group times the kernel
    return 2 * n_summed * math.prod(output)


def product_graph(size: int, is_half: bool) -> bytes:
    """A graph that multiplies two square matrices, which shows how much a device can do; its operations are 2 * size ** 3."""
    kind = TensorProto.FLOAT16 if is_half else TensorProto.FLOAT
    left, right, product = (helper.make_tensor_value_info(name, kind, [size, size]) for name in ("a", "b", "product"))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["product"])], "product", [left, right], [product]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def data_sheet(card: str) -> dict[str, float]:
    """Peaks of a card in its data sheet, in TFLOP/s by precision; empty for an unknown card."""
    return next((peaks for part, peaks in PEAKS_TFLOPS.items() if part in card), {})
