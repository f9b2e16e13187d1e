"""Latency and memory of searches, and their recall beside an exact scan."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.core.manifest import PACKAGED_BUNDLE
from service.engine.engine import Engine, open_engine
from service.engine.options import EngineOptions
from service.library.searching import Searcher, SearchOptions, SearchQuery, SearchResult
from service.library.store import open_library
from tests.benchmarks.library.building import QUERIES
from tests.benchmarks.library.exact_scan import exact_tops, recall
from tests.benchmarks.tables import row, table

TOP = 20
ROUNDS = 3
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of searches, in milliseconds, and the peak memory of the process, in MB."""

    wall_ms: Sequence[float]
    cpu_ms: Sequence[float]
    memory_mb: float


def open_search(location: Path) -> tuple[SearchOptions, Searcher, Engine]:
    """Opens a library and the packaged model."""
    library = open_library(str(location))
    engine = open_engine(PACKAGED_BUNDLE, EngineOptions(device="cpu", cache_bytes=0))
    return SearchOptions(TOP, "", False, engine.manifest.postprocessing), Searcher(library, engine.manifest), engine


def encode(engine: Engine, words: str) -> SearchQuery:
    """A query in words."""
    return SearchQuery(words, engine.encode([words]).encoded)


def captions_of(location: Path) -> Sequence[Sequence[str]]:
    """Held-out captions of each label that the benchmark measures."""
    return json.loads((location.parent / QUERIES).read_text())


def measure_latency(
    labels: Sequence[Sequence[str]], search: Callable[[str], SearchResult], rounds: int = ROUNDS
) -> Latency:
    """Searches for captions of every label, one after the other; the text encoder is included."""
    wall_ms, cpu_ms = list[float](), list[float]()
    for number in range(rounds * len(labels)):
        words = labels[number % len(labels)]
        began_s, cpu_s = time.perf_counter(), time.process_time()
        search(words[number // len(labels) % len(words)])
        wall_ms.append(1000 * (time.perf_counter() - began_s))
        cpu_ms.append(1000 * (time.process_time() - cpu_s))
    return Latency(wall_ms[_WARM_UP:], cpu_ms[_WARM_UP:], peak_memory_mb())


def peak_memory_mb() -> float:
    """Peak memory of this process, in MB. `ru_maxrss` would also count that of the process that has started this one."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def search(location: Path, *, with_recall: bool) -> None:
    """Prints the latency and the memory of searches for every label, and the recall of the first stage."""
    options, searcher, engine = open_search(location)
    labels = captions_of(location)
    latency = measure_latency(labels, lambda words: searcher.search([encode(engine, words)], options))
    queries = [encode(engine, words[0]) for words in labels]
    table("search", "value")
    row("hours", f"{searcher.search(queries[:1], options).searched_s / 3600:.1f}")
    row("searches", len(latency.wall_ms))
    for name, times_ms in (("time", latency.wall_ms), ("CPU time", latency.cpu_ms)):
        row(f"{name}, p50, p90 and p99, ms", ", ".join(f"{np.percentile(times_ms, p):.0f}" for p in (50, 90, 99)))
    row("peak memory of the process, MB", f"{latency.memory_mb:.0f}")
    if with_recall:
        tops = exact_tops(searcher.library, engine.manifest, [query.encoded for query in queries], TOP)
        recalls = [
            recall([moment.segment.score for moment in searcher.search([query], options).moments], exact)
            for query, exact in zip(queries, tops, strict=True)
            if exact
        ]
        name = f"recall of the top {TOP}, mean (lowest), of {len(recalls)} queries with moments"
        row(name, f"{np.mean(recalls):.4f} ({min(recalls):.2f})")
    engine.close()
