"""Measures the speed of the packaged encoders on one core: `python -m tests.benchmarks.towers`."""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from service.core.manifest import AUDIO_GRAPH, CPU_AUDIO_GRAPH, PACKAGED_BUNDLE, verify_bundle
from service.engine.options import EngineOptions
from service.engine.text_encoder import TextEncoder
from tests.benchmarks.graphs import open_audio_graph
from tests.benchmarks.tables import row, spread, table

REPEATS = 5
ONE_CORE = EngineOptions(device="cpu", intra_op_threads=1)
QUERIES = ["a dog barks", "rain", "someone is typing on a computer keyboard in a quiet office"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.towers", description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="measurements of each encoder")
    repeats: int = parser.parse_args().repeats
    manifest = verify_bundle(PACKAGED_BUNDLE)
    text = TextEncoder(PACKAGED_BUNDLE, manifest, ONE_CORE)
    window = np.random.default_rng(0).normal(0, 0.1, (1, manifest.window_samples)).astype(np.float32)
    window_s = manifest.window_samples / manifest.sample_rate_hz
    table("one core", "value")
    for graph in (CPU_AUDIO_GRAPH, AUDIO_GRAPH):
        audio = open_audio_graph(ONE_CORE, PACKAGED_BUNDLE / graph)
        seconds = timed(partial(audio.run, {"waveform": window}), repeats, times=20)
        row(f"{graph}, one window of {window_s:.2f} s, ms", spread([1000 * s for s in seconds]))
        row(f"{graph}, times real time", spread([window_s / s for s in seconds], 0))
    for query in QUERIES:
        row(
            f"text encoder, {len(query.split())} words, ms",
            spread([1000 * s for s in timed(partial(text.encode, [query]), repeats)]),
        )


def timed(work: Callable[[], object], repeats: int, times: int = 50) -> list[float]:
    """Measures the median time of `times` runs in seconds, `repeats` times."""
    medians: list[float] = []
    work()
    for _ in range(repeats):
        seconds: list[float] = []
        for _ in range(times):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
        medians.append(float(np.median(seconds)))
    return medians


if __name__ == "__main__":
    main()
