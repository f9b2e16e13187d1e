from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from model_export.errors import WeightLost
from model_export.graphs import HALF_PRECISION_FROM, name_weights, store_in_half_precision
from training.checkpoint import HALF, TRANSPOSED

SIDE = round(HALF_PRECISION_FROM**0.5)


def product(weights: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """A graph that multiplies its input with each of the matrices in turn."""
    names = list(weights)
    steps = ["x", *(f"step{i}" for i in range(1, len(names))), "y"]
    nodes = [helper.make_node("MatMul", [steps[i], name], [steps[i + 1]]) for i, name in enumerate(names)]
    side = weights[names[0]].shape[0]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", None])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def result(graph: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return np.asarray(session.run(None, {"x": x})[0])


def stored(graph: onnx.ModelProto) -> dict[str, np.dtype]:
    return {weight.name: numpy_helper.to_array(weight).dtype for weight in graph.graph.initializer}


def test_only_large_weights_that_half_precision_holds_exactly_are_halved() -> None:
    exact = np.eye(SIDE, dtype=np.float32) * 0.5
    inexact = np.full((SIDE, SIDE), 0.1, np.float32)
    small = np.ones((SIDE, 2), np.float32)
    graph = product({"exact": exact, "inexact": inexact, "small": small})
    x = np.random.default_rng(0).standard_normal((3, SIDE)).astype(np.float32)
    before = result(graph, x)
    store_in_half_precision(graph)
    assert stored(graph) == {
        f"exact{HALF}": np.dtype(np.float16),
        "inexact": np.dtype(np.float32),
        "small": np.dtype(np.float32),
    }
    np.testing.assert_array_equal(result(graph, x), before)


def test_reshaped_and_transposed_weights_get_the_names_of_their_parameters() -> None:
    same, turned = np.float32([[1, 2], [3, 4]]), np.float32([[5, 6], [7, 8]])
    graph = product({"val_1": same, "val_2": turned.T})
    x = np.float32([[1, 0]])
    before = result(graph, x)
    name_weights(graph, {"first": torch.from_numpy(same), "second": torch.from_numpy(turned)})
    assert set(stored(graph)) == {"first", f"second{TRANSPOSED}"}
    np.testing.assert_array_equal(result(graph, x), before)


def test_a_parameter_that_the_graph_lost_is_an_error() -> None:
    graph = product({"val_1": np.float32([[1, 2], [3, 4]])})
    with pytest.raises(WeightLost, match="bias"):
        name_weights(graph, {"bias": torch.tensor([9.0])})


def test_the_graphs_of_the_default_bundle_hold_no_path_of_the_machine_that_exported_them() -> None:
    for name in ("audio.onnx", "text.onnx"):
        graph = onnx.load(Path("service/bundle") / name)
        assert not any(node.metadata_props for node in graph.graph.node), name
