"""Finds the fastest number of threads, batch size and precision on this machine: `python -m tests.benchmarks.sweep`.

Only the packaged audio graph runs, on windows in memory. Its fp16 weights are converted to fp32 when it is loaded.
"""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from onnxruntime.quantization import QuantType, quantize_dynamic

from service.core.manifest import AUDIO_GRAPH, PACKAGED_BUNDLE, verify_bundle
from service.engine.options import EngineOptions
from service.engine.sessions import GraphSession
from tests.benchmarks.graphs import open_audio_graph
from tests.benchmarks.tables import row, spread, table

REPEATS = 5
WINDOWS = 32


def main() -> None:
    manifest = verify_bundle(PACKAGED_BUNDLE)
    noise = np.random.default_rng(0).normal(0, 0.1, (WINDOWS, manifest.window_samples)).astype(np.float32)
    table("precision", "threads", "windows in a batch", "windows/s")
    rates: dict[tuple[str, int, int], float] = {}
    with TemporaryDirectory() as folder:
        for precision, graph in graphs(Path(folder)):
            for threads, batch in itertools.product(range(1, (os.cpu_count() or 1) + 1), (1, 2, 4, 8)):
                options = EngineOptions(device="cpu", intra_op_threads=threads)
                session = open_audio_graph(options, graph)
                measured = [rate(session, noise, batch) for _ in range(REPEATS)]
                rates[precision, threads, batch] = float(np.median(measured))
                row(precision, threads, batch, spread(measured))
    print("\nbest:", *max(rates, key=lambda setting: rates[setting]))


def graphs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields the packaged graph, and the same graph with its matrix products quantized to 8 bits."""
    yield "fp32", PACKAGED_BUNDLE / AUDIO_GRAPH
    quantized = folder / AUDIO_GRAPH
    quantize_dynamic(
        PACKAGED_BUNDLE / AUDIO_GRAPH, quantized, op_types_to_quantize=["MatMul", "Gemm"], weight_type=QuantType.QInt8
    )
    yield "int8", quantized


def rate(session: GraphSession, windows: np.ndarray, batch: int) -> float:
    """Measures the number of windows that the graph processes a second."""
    session.run({"waveform": windows[:batch]})
    began = time.perf_counter()
    for start in range(0, len(windows), batch):
        session.run({"waveform": windows[start : start + batch]})
    return len(windows) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
