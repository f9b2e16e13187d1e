"""Measures the text graph: all queries in one batch on the device, and as the service encodes them on the CPU."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.core.manifest import TEXT_GRAPH, TOKENIZER, Manifest
from service.engine.options import EngineOptions
from service.engine.query_tokenizer import open_tokenizer
from service.engine.sessions import GraphSession
from service.engine.text_encoder import TextEncoder
from tests.benchmarks.cuda.audio import Plan, timed
from tests.benchmarks.tables import row, spread, table

NUMBERS = (1, 10, 100)
_KINDS = ("near", "far", "loud", "soft", "old", "new", "big", "small", "fast", "slow")
_SOURCES = ("dog", "cat", "car", "bird", "door", "baby", "train", "clock", "horse", "drum")


def measure_text(plan: Plan, bundle: Path, manifest: Manifest) -> str:
    """Prints the table of the text graph, and returns a line on which provider runs its nodes."""
    tokenizer = open_tokenizer(bundle / TOKENIZER, manifest.max_query_tokens)
    queries = [f"{kind} {source}" for source in _SOURCES for kind in _KINDS]
    tokens = np.array([tokenizer.encode(query).ids for query in queries], np.int64)  # (Q, L): all have the same length
    inputs = {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"}
    options = EngineOptions(device=plan.device)
    session = GraphSession(bundle / TEXT_GRAPH, options, inputs, manifest.text_outputs)
    encoder = TextEncoder(bundle, manifest, EngineOptions(device="cpu"))

    def in_one_batch(number: int) -> NDArray[np.float32]:
        ids = tokens[:number]
        return session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]

    rows: dict[str, Callable[[int], NDArray[np.float32]]] = {
        f"one batch on {plan.device}": in_one_batch,
        "encoder of the service, cpu": lambda number: encoder.encode(queries[:number]).embeddings,
    }
    expected = rows["encoder of the service, cpu"](len(queries))
    table("text graph", *(f"{number} queries, ms" for number in NUMBERS), "difference")
    for name, encode in rows.items():
        cells = [spread(timed(lambda n=number, encode=encode: encode(n), plan), 2) for number in NUMBERS]
        row(name, *cells, f"{np.abs(encode(len(queries)) - expected).max():.1e}")
    shares = ", ".join(f"{share:.0%} {provider}" for provider, share in session.node_shares.items())
    return f"text graph on {plan.device}: {shares}"
