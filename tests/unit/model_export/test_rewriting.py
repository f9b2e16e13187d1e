import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxscript.optimizer import remove_unused_nodes

from model_export.rewriting import (
    rewrite_average_pools,
    rewrite_largest_values,
    rewrite_means_over_height,
    rewrite_sums_of_stacks,
)

LENGTH = 7
AXIS = numpy_helper.from_array(np.array([0], np.int64), "axis")


def graph_of(nodes: list[onnx.NodeProto], length: int | str = LENGTH) -> onnx.ModelProto:
    """A graph from `x` (B, 2, length) to `y`. Its first node copies `x` to `a`: shape inference lists inner values only."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 2, length]) for name in ("x", "y")]
    copy = helper.make_node("Identity", ["x"], ["a"])
    graph = helper.make_graph([copy, *nodes], "graph", values[:1], values[1:], [AXIS])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model: onnx.ModelProto, length: int = LENGTH) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((3, 2, length)).astype(np.float32)
    return np.asarray(onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0])


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def pool(**changes: object) -> onnx.NodeProto:
    options = {"kernel_shape": [5], "pads": [2, 2], "strides": [1], "count_include_pad": 1} | changes
    return helper.make_node("AveragePool", ["a"], ["y"], **options)


def test_a_moving_average_becomes_a_product_with_the_same_result() -> None:
    model = graph_of([pool()])
    expected = run(model)
    rewrite_average_pools(model)
    assert operators(model) == ["Identity", "MatMul"]
    np.testing.assert_allclose(run(model), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "length"),
    [
        ({"count_include_pad": 0}, LENGTH),
        ({"pads": [4, 0]}, LENGTH),
        ({"strides": [2], "kernel_shape": [5]}, LENGTH),
        ({"kernel_shape": [4], "pads": [2, 1]}, LENGTH),
        ({"dilations": [2]}, LENGTH),
        ({"auto_pad": "VALID"}, LENGTH),
        ({}, "T"),
    ],
)
def test_averages_of_other_kinds_stay(changes: dict[str, object], length: int | str) -> None:
    model = graph_of([pool(**changes)], length)
    rewrite_average_pools(model)
    assert operators(model) == ["Identity", "AveragePool"]


def stacked_sum(unsqueezed: str = "axis", joined_axis: int = 0, **options: int) -> onnx.ModelProto:
    return graph_of(
        [
            helper.make_node("Unsqueeze", ["x", "axis"], ["first"]),
            helper.make_node("Unsqueeze", ["a", unsqueezed], ["second"]),
            helper.make_node("Concat", ["first", "second"], ["stack"], axis=joined_axis),
            helper.make_node("ReduceSum", ["stack", "axis"], ["y"], **options),
        ]
    )


def test_a_sum_over_a_stack_becomes_a_sum_with_the_same_result() -> None:
    model = stacked_sum(keepdims=0)
    expected = run(model)
    rewrite_sums_of_stacks(model)
    assert operators(model)[-1] == "Sum"
    np.testing.assert_array_equal(run(model), expected)


@pytest.mark.parametrize(
    "model",
    [
        stacked_sum("other_axis", keepdims=0),
        stacked_sum(joined_axis=1, keepdims=0),
        stacked_sum(keepdims=1),
        stacked_sum(),
    ],
)
def test_sums_that_are_not_those_of_the_stacked_tensors_stay(model: onnx.ModelProto) -> None:
    rewrite_sums_of_stacks(model)
    assert operators(model)[-1] == "ReduceSum"


def reduced(
    op_type: str, axis: int, shape: list[int | str], first: onnx.NodeProto | None = None, **options: int
) -> onnx.ModelProto:
    """A graph from `x` of a shape to `y`, a reduction of `a` over an axis; `a` is `x`, or what the node `first` makes of it."""
    axes = numpy_helper.from_array(np.array([axis], np.int64), "axes")
    values = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    nodes = [
        first or helper.make_node("Identity", ["x"], ["a"]),
        helper.make_node(op_type, ["a", "axes"], ["y"], **options),
    ]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], [axes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def answer(model: onnx.ModelProto, *shape: int) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return np.asarray(onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0])


def test_a_mean_over_the_height_of_maps_becomes_a_convolution_with_the_same_result() -> None:
    model = reduced("ReduceMean", 2, ["B", 3, 4, 5], keepdims=0)
    expected = answer(model, 2, 3, 4, 5)
    rewrite_means_over_height(model)
    assert operators(model) == ["Identity", "Conv", "Squeeze"]
    np.testing.assert_allclose(answer(model, 2, 3, 4, 5), expected, atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        reduced("ReduceMean", 3, ["B", 3, 4, 5], keepdims=0),
        reduced("ReduceMean", 2, ["B", 3, 4, 5]),
        reduced("ReduceMean", 2, ["B", 3, "height", 5], keepdims=0),
        reduced("ReduceMean", 2, ["B", "channels", 4, 5], keepdims=0),
        reduced("ReduceMean", 2, ["B", 3, 4, 5, 6], keepdims=0),
        reduced("ReduceMean", 2, ["B", 3, 4], keepdims=0),
        reduced("ReduceMax", 2, ["B", 3, 4, 5], keepdims=0),
    ],
)
def test_other_means_stay(model: onnx.ModelProto) -> None:
    before = operators(model)
    rewrite_means_over_height(model)
    assert operators(model) == before


def transpose(*order: int) -> onnx.NodeProto:
    return helper.make_node("Transpose", ["x"], ["a"], perm=order)


def test_the_largest_value_of_a_transpose_becomes_that_of_slices_with_the_same_result() -> None:
    model = reduced("ReduceMax", 2, ["B", 16, 5], transpose(0, 2, 1), keepdims=0)
    expected = answer(model, 2, 16, 5)
    rewrite_largest_values(model)
    assert operators(model) == ["Transpose", "Split", "Max", "ReduceMax"]
    np.testing.assert_array_equal(answer(model, 2, 16, 5), expected)


@pytest.mark.parametrize(
    "model",
    [
        reduced("ReduceMax", 2, ["B", 16, 5], keepdims=0),
        reduced("ReduceMax", 1, ["B", 16, 5], transpose(0, 2, 1), keepdims=0),
        reduced("ReduceMax", 2, ["B", 16, 5], transpose(0, 2, 1)),
        reduced("ReduceMax", 2, ["B", 12, 5], transpose(0, 2, 1), keepdims=0),
        reduced("ReduceMax", 2, ["B", "bands", 5], transpose(0, 2, 1), keepdims=0),
        reduced("ReduceMax", 2, [16, "B", 5], transpose(1, 2, 0), keepdims=0),
        reduced("ReduceMean", 2, ["B", 16, 5], transpose(0, 2, 1), keepdims=0),
    ],
)
def test_other_largest_values_stay(model: onnx.ModelProto) -> None:
    before = operators(model)
    rewrite_largest_values(model)
    assert operators(model) == before


def test_nodes_that_nothing_reads_are_removed() -> None:
    model = stacked_sum(keepdims=0)
    expected = run(model)
    rewrite_sums_of_stacks(model)
    remove_unused_nodes(model)
    assert operators(model) == ["Identity", "Sum"]
    np.testing.assert_array_equal(run(model), expected)
