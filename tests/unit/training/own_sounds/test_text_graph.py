from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from training.own_sounds.learning import LearntQuery
from training.own_sounds.text_graph import Wordings, add_query, added_sounds

D = 4


def unit(*values: float) -> NDArray[np.float32]:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def identity_graph(sigmoid: bool, opset: int = 18) -> onnx.ModelProto:
    """A graph whose embedding is its input (Q, 4), and whose scale and bias of each query are its first two channels."""
    nodes = [helper.make_node("Identity", ["x"], ["embedding"])]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["Q", D])]
    weights = []
    if sigmoid:
        nodes.append(helper.make_node("Gather", ["embedding", "first"], ["sigmoid"], axis=1))
        outputs.append(helper.make_tensor_value_info("sigmoid", TensorProto.FLOAT, ["Q", 2]))
        weights.append(numpy_helper.from_array(np.array([0, 1], np.int64), "first"))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["Q", D])]
    graph = helper.make_graph(nodes, "identity", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def run(graph: onnx.ModelProto, queries: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return list(ReferenceEvaluator(graph).run(None, {"x": queries}))  # type: ignore[arg-type]


WORDINGS = Wordings(np.stack([unit(1, 0, 0, 0), unit(1, 0.2, 0, 0)]), lowest=0.8, full=0.95)
QUERIES = np.stack([unit(1, 0, 0, 0), unit(1, 0, 0.5, 0), unit(1, 0, 1, 0), unit(0, 0, 0, 1)])


@pytest.mark.parametrize("opset", [17, 18, 20])
@pytest.mark.parametrize("sigmoid", [False, True])
def test_queries_near_a_wording_get_the_learnt_query_and_others_keep_theirs_exactly(sigmoid: bool, opset: int) -> None:
    graph = identity_graph(sigmoid, opset)
    learnt = LearntQuery(unit(0, 0, 1, 1), np.array([20.0, -7.0], np.float32) if sigmoid else None)
    add_query(graph, WORDINGS, learnt)
    embedding, *sigmoids = run(graph, QUERIES)
    assert np.allclose(embedding[0], learnt.embedding, atol=1e-6)
    assert np.array_equal(embedding[2:], QUERIES[2:])  # cosines of 0.72 and 0 with the nearest wording
    gate = WORDINGS.gate(QUERIES)
    assert 0 < gate[1] < 1
    blend = QUERIES[1] + gate[1] * (learnt.embedding - QUERIES[1])
    assert np.allclose(embedding[1], blend / np.linalg.norm(blend), atol=1e-6)
    if sigmoid:
        assert np.allclose(sigmoids[0][0], [20, -7])
        assert np.array_equal(sigmoids[0][2:], QUERIES[2:, :2])
        assert np.allclose(sigmoids[0][1], QUERIES[1, :2] + gate[1] * ([20, -7] - QUERIES[1, :2]), atol=1e-5)


def test_a_second_sound_leaves_the_first_as_it_is(tmp_path: Path) -> None:
    graph = identity_graph(sigmoid=False)
    add_query(graph, WORDINGS, LearntQuery(unit(0, 0, 1, 1)))
    assert added_sounds(graph) == 1
    add_query(graph, Wordings(unit(0, 0, 0, 1)[None], 0.9, 0.95), LearntQuery(unit(1, 1, 1, 1)))
    assert added_sounds(graph) == 2
    onnx.save(graph, tmp_path / "text.onnx")
    (embedding,) = run(onnx.load(tmp_path / "text.onnx"), QUERIES)
    assert np.allclose(embedding[0], unit(0, 0, 1, 1), atol=1e-6)
    assert np.array_equal(embedding[2], QUERIES[2])
    assert np.allclose(embedding[3], unit(1, 1, 1, 1), atol=1e-6)
