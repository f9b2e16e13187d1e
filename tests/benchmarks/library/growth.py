"""How latency and memory grow with a library: larger libraries are drawn from the embeddings of a real one.

A drawn library has many copies of each recording of the real library. The moment vectors of a copy are moved at random, and their
cells are as in the real library. Frames are not copied: the copies share the stored frames of the real library, so that the disk
need not hold them. Searches do all the work that as many different recordings would need, but the frames that they read stay in
the page cache more easily.
"""

import csv
import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from service.library import block_curves, indexes, tables
from service.library.frame_reader import BlockRange, Float16, read_ranges
from service.library.indexes import n_partitions, update_indexes
from service.library.recording import COLUMNS
from service.library.store import Library, open_library, open_or_create_library
from tests.benchmarks.library.latency import captions_of, encode, measure_latency, open_search
from tests.benchmarks.tables import row, table

JITTER = 0.02
"""Standard deviation of the noise that is added to each number of a moment vector."""
PICTURE_IN = (7.0, 4.0)
AIM_MS = ((100, 50), (10_000, 200))
"""Hours of a library, and the p50 that is aimed at, in milliseconds."""


def growth(folder: Path, hours: Sequence[float], scaled_hours: float) -> None:
    """Draws libraries of different sizes from FOLDER/real, one after the other, and measures each in a process of its own.

    The largest one is measured twice. The second time, its index has as many vectors in each inverted list as a library of
    `scaled_hours` would have, and the cache of the index is smaller by the same factor.
    """
    table(
        "hours",
        "moments",
        "p50, ms",
        "p99, ms",
        "CPU p50, ms",
        "CPU p99, ms",
        "peak memory, MB",
        "index, s",
        "MB an hour, without frames",
    )
    rows = list[list[str]]()
    for number, size in enumerate(sorted(hours)):
        drawn, index_s = draw_library(folder, size)
        rows.append(_measured(drawn, f"{size:g}", index_s, 1))
        if number == len(hours) - 1 and scaled_hours > size:
            factor = scaled_hours / size
            began_s = time.perf_counter()
            rescale(open_library(str(drawn)), factor)
            rows.append(_measured(drawn, f"{scaled_hours:g}, scaled", time.perf_counter() - began_s, factor))
        shutil.rmtree(drawn)
    with (folder / "growth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["hours", "p50_ms", "p99_ms", "cpu_p50_ms", "memory_mb"], *rows])


def _measured(location: Path, name: str, index_s: float, factor: float) -> list[str]:
    """Measures a library in a new process, so that the peak of its memory is its own."""
    command = [sys.executable, "-m", "tests.benchmarks.library", "latency", str(location), "--factor", str(factor)]
    facts = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    size_mb = sum(path.stat().st_size for path in location.rglob("*") if path.is_file()) / 1e6 / facts["hours"]
    shown = [f"{facts[key]:.0f}" for key in ("p50_ms", "p99_ms", "cpu_p50_ms", "cpu_p99_ms", "memory_mb")]
    row(name, facts["moments"], *shown, f"{index_s:.0f}", f"{size_mb:.1f}")
    return [name.split(",")[0], *(f"{facts[key]:.1f}" for key in ("p50_ms", "p99_ms", "cpu_p50_ms", "memory_mb"))]


def draw_library(folder: Path, hours: float) -> tuple[Path, float]:
    """Draws a library of moments without frames; returns its folder, and the time that its indexes took, in seconds."""
    real, rng = open_library(str(folder / "real")), np.random.default_rng(0)
    location = folder / f"drawn{hours:g}"
    library = open_or_create_library(str(location), real.model)
    moments, recordings = real.tables.moments.to_arrow(), real.recordings().select(COLUMNS)
    order = np.argsort(recordings["path"].to_numpy(zero_copy_only=False))
    left, copy = round(hours * 3600 / (np.mean(recordings["duration_s"].to_numpy()))), 0
    while left > 0:
        kept = np.sort(order[:left])
        add_copy(library, moments, recordings.take(kept), copy, rng)
        left, copy = left - len(kept), copy + 1
    began_s = time.perf_counter()
    library.update_indexes()
    library.compact()
    return location, time.perf_counter() - began_s


def add_copy(library: Library, moments: Any, recordings: Any, copy: int, rng: np.random.Generator) -> None:
    """Adds a copy of recordings: the generation of a copy is the real one plus the number of the copy times 2**20."""
    shift = copy << 20
    generations = moments["generation"].to_numpy()
    chosen = moments.filter(np.isin(generations, recordings["generation"].to_numpy()))
    vectors = np.stack(chosen["vector"].to_numpy(zero_copy_only=False))
    dimension = library.model.dimension
    vectors[:, :dimension] += JITTER * (copy > 0) * rng.standard_normal((len(vectors), dimension), np.float32)
    columns = {name: chosen[name].combine_chunks() for name in ("first_frame", "end_frame", "cells")}
    columns |= {"generation": chosen["generation"].to_numpy() + shift, "vector": tables.vector_column(vectors)}
    table_ = library.tables.moments
    table_.add(tables.columns_table(table_, {name: columns[name] for name in table_.schema.names}))
    rows = recordings.to_pylist()
    for item in rows:
        item.update(id=f"{copy:08x}{item['id'][8:]}", generation=item["generation"] + shift)
    table_ = library.tables.recordings
    table_.add(tables.columns_table(table_, {name: [item[name] for item in rows] for name in COLUMNS}))


def rescale(library: Library, factor: float) -> None:
    """Makes the index anew, with as many vectors in each list as a library that is larger by a factor has."""
    n_moments = library.tables.moments.count_rows()
    partitions = max(1, round(n_partitions(round(factor * n_moments)) / factor))
    n_lists = indexes.n_partitions
    indexes.n_partitions = lambda _: partitions
    for index in library.tables.moments.list_indices():
        library.tables.moments.drop_index(index.name)
    update_indexes(library.tables)
    indexes.n_partitions = n_lists


def latency(location: Path, factor: float) -> None:
    """Prints the latency of a drawn library as JSON."""
    tables._INDEX_CACHE_BYTES = round(tables._INDEX_CACHE_BYTES / factor)
    real = open_library(str(location.parent / "real"))
    generations = np.sort(real.recordings(["generation"])["generation"].to_numpy())

    def read_shared(_: Library, ranges: Sequence[BlockRange]) -> Mapping[BlockRange, Float16 | None]:
        rows = np.searchsorted(generations, [each.generation for each in ranges], side="right") - 1
        wanted = [replace(each, generation=int(generations[row])) for each, row in zip(ranges, rows, strict=True)]
        frames = read_ranges(real, list(dict.fromkeys(wanted)))
        return {each: frames[shared] for each, shared in zip(ranges, wanted, strict=True)}

    block_curves.read_ranges = read_shared
    options, searcher, engine = open_search(location)
    labels = captions_of(location)
    measured = measure_latency(labels, lambda words: searcher.search([encode(engine, words)], options), rounds=1)
    facts = {
        "hours": searcher.search([encode(engine, "a dog")], options).searched_s / 3600,
        "moments": searcher.library.tables.moments.count_rows(),
        "memory_mb": measured.memory_mb,
    }
    for name, times_ms in (("", measured.wall_ms), ("cpu_", measured.cpu_ms)):
        facts |= {f"{name}p{p}_ms": float(np.percentile(times_ms, p)) for p in (50, 99)}
    engine.close()
    print(json.dumps(facts))


def draw(table_: Path, picture: Path) -> None:
    """Draws the times and the memory of a table that `growth` has written."""
    from matplotlib.figure import Figure

    with table_.open(newline="") as file:
        rows = [{name: float(value) for name, value in line.items()} for line in csv.DictReader(file)]
    hours = [line["hours"] for line in rows]
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it names each font that is missing
    figure = Figure(PICTURE_IN, layout="constrained")
    times = figure.subplots()
    for name, label in (("p50_ms", "p50"), ("p99_ms", "p99"), ("cpu_p50_ms", "p50 of the CPU time")):
        times.loglog(hours, [line[name] for line in rows], marker="o", label=label)
    times.loglog(*zip(*AIM_MS, strict=True), "kx", label="aim for p50")
    times.set(xlabel="hours in the library (10,000: scaled index, see the text)", ylabel="time of a search, ms")
    memory = times.twinx()
    memory.plot(hours, [line["memory_mb"] for line in rows], "k:", label="peak memory")
    memory.set(ylabel="memory, MB", ylim=(0, 1000))
    times.legend(loc="upper right")
    memory.legend(loc="lower right")
    figure.savefig(picture, metadata={"Date": None})
