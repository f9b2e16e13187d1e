"""Finds the fastest graph, number of threads and batch size on this machine: `python -m tests.benchmarks.sweep`.

Only the packaged audio graphs run, on windows in memory.
"""

import itertools
import os
import time

import numpy as np

from service.core.manifest import AUDIO_GRAPH, CPU_AUDIO_GRAPH, PACKAGED_BUNDLE, verify_bundle
from service.engine.options import EngineOptions
from service.engine.sessions import GraphSession
from tests.benchmarks.graphs import open_audio_graph
from tests.benchmarks.tables import row, spread, table

REPEATS = 5
WINDOWS = 32


def main() -> None:
    manifest = verify_bundle(PACKAGED_BUNDLE)
    noise = np.random.default_rng(0).normal(0, 0.1, (WINDOWS, manifest.window_samples)).astype(np.float32)
    table("graph", "threads", "windows in a batch", "windows/s")
    rates: dict[tuple[str, int, int], float] = {}
    for graph in (AUDIO_GRAPH, CPU_AUDIO_GRAPH):
        for threads, batch in itertools.product(range(1, (os.cpu_count() or 1) + 1), (1, 2, 4, 8)):
            options = EngineOptions(device="cpu", intra_op_threads=threads)
            session = open_audio_graph(options, PACKAGED_BUNDLE / graph)
            measured = [rate(session, noise, batch) for _ in range(REPEATS)]
            rates[graph, threads, batch] = float(np.median(measured))
            row(graph, threads, batch, spread(measured))
    print("\nbest:", *max(rates, key=lambda setting: rates[setting]))


def rate(session: GraphSession, windows: np.ndarray, batch: int) -> float:
    """Measures the number of windows that the graph processes a second."""
    session.run({"waveform": windows[:batch]})
    began = time.perf_counter()
    for start in range(0, len(windows), batch):
        session.run({"waveform": windows[start : start + batch]})
    return len(windows) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
