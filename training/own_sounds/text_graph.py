"""Adds learnt queries to a text graph: queries whose words mean a new sound get the learnt embedding, all others keep theirs.

The added nodes compare each query embedding with the embeddings of the wordings of the sound (the keys). The gate rises from 0 to
1 with the highest cosine, between the two bounds of `Wordings`. At gate 0 the graph returns exactly what it returned before.

Letters of shapes: Q queries, K keys, D channels of an embedding.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.own_sounds.learning import LearntQuery

EMBEDDING, SIGMOID = "embedding", "sigmoid"
PREFIX = "own_sound_"
AXES_INPUT_OPSET = 18
"""From this version on, reductions take their axes as an input instead of an attribute."""


@dataclass(frozen=True, slots=True, eq=False)
class Wordings:
    """The wordings of a sound, and how close to one of them a query must be.

    Attributes:
        keys: Query embeddings of the wordings, (K, D).
        lowest: Up to this highest cosine with a key, a query keeps its embedding.
        full: From this highest cosine on, a query gets the learnt embedding.
    """

    keys: NDArray[np.float32]
    lowest: float
    full: float

    def gate(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """The gate of query embeddings (Q, D): (Q,)."""
        nearest = (embeddings @ self.keys.T).max(axis=1)
        return np.clip((nearest - self.lowest) / (self.full - self.lowest), 0, 1).astype(np.float32)


def added_sounds(graph: onnx.ModelProto) -> int:
    """Number of sounds that were added to a text graph."""
    return sum(
        1 for weight in graph.graph.initializer if weight.name.startswith(PREFIX) and weight.name.endswith("keys")
    )


def add_query(graph: onnx.ModelProto, wordings: Wordings, learnt: LearntQuery) -> None:
    """Adds a learnt query to a text graph, in place.

    Args:
        graph: The text graph of a bundle, perhaps with other added queries.
        wordings: Which queries get the learnt query.
        learnt: The learnt query. It has a sigmoid if and only if the graph has one for each query.
    """
    prefix = f"{PREFIX}{added_sounds(graph)}_"
    base = _renamed(graph, EMBEDDING, prefix)
    kept = {base, EMBEDDING, SIGMOID}
    constants = {
        "keys": wordings.keys.T,
        "lowest": np.array([wordings.lowest]),
        "width": np.array([wordings.full - wordings.lowest]),
        "zero": np.array(0.0),
        "one": np.array(1.0),
        "query": learnt.embedding[None],
    }
    nodes = [
        ("MatMul", [base, "keys"], "cosines"),
        ("ReduceMax", ["cosines"], "nearest"),
        ("Sub", ["nearest", "lowest"], "above"),
        ("Div", ["above", "width"], "share"),
        ("Clip", ["share", "zero", "one"], "gate"),
        ("Sub", ["query", base], "difference"),
        ("Mul", ["gate", "difference"], "change"),
        ("Add", [base, "change"], "blend"),
        ("ReduceL2", ["blend"], "norm"),
        ("Div", ["blend", "norm"], "unit"),
        ("Greater", ["gate", "zero"], "changed"),
        ("Where", ["changed", "unit", base], EMBEDDING),
    ]
    if learnt.sigmoid is not None:
        base_sigmoid = _renamed(graph, SIGMOID, prefix)
        kept.add(base_sigmoid)
        constants["pair"] = learnt.sigmoid[None]
        nodes += [
            ("Sub", ["pair", base_sigmoid], "pair_difference"),
            ("Mul", ["gate", "pair_difference"], "pair_change"),
            ("Add", [base_sigmoid, "pair_change"], SIGMOID),
        ]
    for name, values in constants.items():
        graph.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), prefix + name))
    axes_are_input = _opset(graph) >= AXES_INPUT_OPSET
    if axes_are_input:
        graph.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), prefix + "axis"))
    for kind, inputs, output in nodes:
        attributes: dict[str, Any] = {}
        if kind.startswith("Reduce"):
            attributes = {"keepdims": 1} if axes_are_input else {"keepdims": 1, "axes": [1]}
            inputs = [*inputs, "axis"] if axes_are_input else inputs
        names = [name if name in kept else prefix + name for name in inputs]
        result = output if output in kept else prefix + output
        graph.graph.node.append(helper.make_node(kind, names, [result], name=f"{prefix}{kind}_{output}", **attributes))
    onnx.checker.check_model(graph)


def _opset(graph: onnx.ModelProto) -> int:
    """Version of the standard operators of a graph."""
    return next(opset.version for opset in graph.opset_import if opset.domain in ("", "ai.onnx"))


def _renamed(graph: onnx.ModelProto, output: str, prefix: str) -> str:
    """Renames the tensor of an output inside the graph, so that new nodes can compute the output; returns its new name."""
    name = prefix + "before_" + output
    for node in graph.graph.node:
        node.input[:] = [name if tensor == output else tensor for tensor in node.input]
        node.output[:] = [name if tensor == output else tensor for tensor in node.output]
    for value in list(graph.graph.value_info):
        if value.name in (output, name):
            graph.graph.value_info.remove(value)
    return name
