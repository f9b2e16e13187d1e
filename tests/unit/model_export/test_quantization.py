import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_export.quantization import quantize_rows

MATRIX = np.array([[1.27, 0.5], [-0.64, 0.25], [0.0, -0.5]], np.float32)  # scales 0.01 and 0.5 / 127
BIAS = np.array([0.1, -0.2], np.float32)


def quantized(node: onnx.NodeProto, matrix: np.ndarray, **options: float) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])
    weights = [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(BIAS, "bias")]
    graph = helper.make_graph([node], "one product", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    quantize_rows(model, **options)
    return model


def run(model: onnx.ModelProto, x: list[list[float]]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": np.array(x, np.float32)})[0])


@pytest.fixture
def product() -> onnx.ModelProto:
    return quantized(helper.make_node("MatMul", ["x", "matrix"], ["y"]), MATRIX)


def test_a_product_of_values_that_8_bits_hold_is_exact(product: onnx.ModelProto) -> None:
    # scale 1 for the row: 127, -20 and 5 are integers as they are; -64 and 127 of the first column are too
    assert run(product, [[127, -20, 5]])[0, 0] == pytest.approx(127 * 1.27 + 20 * 0.64, rel=1e-6)


def test_a_gemm_keeps_its_bias_and_its_transposed_matrix() -> None:
    gemm = helper.make_node("Gemm", ["x", "matrix", "bias"], ["y"], transB=1)
    model = quantized(gemm, np.ascontiguousarray(MATRIX.T))
    assert "matrix_Transposed_quantized" in {weight.name for weight in model.graph.initializer}
    np.testing.assert_allclose(run(model, [[1, 2, 3]]), np.array([[1, 2, 3]]) @ MATRIX + BIAS, atol=0.02)


def test_a_row_does_not_depend_on_its_neighbours(product: onnx.ModelProto) -> None:
    together = run(product, [[0.01, 0.02, -0.03], [1000, -2000, 3000]])
    alone = run(product, [[0.01, 0.02, -0.03]])
    np.testing.assert_array_equal(together[:1], alone)


def test_a_row_of_zeros_gives_zeros(product: onnx.ModelProto) -> None:
    np.testing.assert_array_equal(run(product, [[0, 0, 0]]), 0)


def test_a_small_matrix_stays_in_single_precision() -> None:
    node = helper.make_node("MatMul", ["x", "matrix"], ["y"])
    assert [each.op_type for each in quantized(node, MATRIX, min_elements=MATRIX.size + 1).graph.node] == ["MatMul"]
    assert "MatMul" not in {each.op_type for each in quantized(node, MATRIX, min_elements=MATRIX.size).graph.node}


def test_the_smallest_range_bounds_which_values_are_told_from_zeros() -> None:
    node = helper.make_node("MatMul", ["x", "matrix"], ["y"])
    faint = [[1e-12, 0, 0]]
    np.testing.assert_array_equal(run(quantized(node, MATRIX), faint), 0)
    np.testing.assert_allclose(run(quantized(node, MATRIX, least_range=1e-30), faint)[0, 0], 1.27e-12, rtol=1e-2)


def test_only_integers_are_multiplied(product: onnx.ModelProto) -> None:
    assert {node.op_type for node in product.graph.node}.isdisjoint({"MatMul", "Gemm"})
    (matrix,) = (w for w in product.graph.initializer if w.name == "matrix_quantized")
    np.testing.assert_array_equal(numpy_helper.to_array(matrix), [[127, 127], [-64, 64], [0, -127]])
