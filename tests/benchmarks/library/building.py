"""Libraries of the benchmark that are indexed from drawn recordings, and what their indexing costs."""

import json
import resource
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import soundfile

from service.core.manifest import PACKAGED_BUNDLE, read_manifest
from service.engine.caching.tiers import memory_cache
from service.engine.clip import Upload
from service.engine.decoders import Decoders
from service.engine.engine import Engine, open_engine
from service.engine.options import EngineOptions
from service.library.contents import describe
from service.library.indexing import index_files
from service.library.recording import LibraryModel
from service.library.store import Library, open_or_create_library
from tests.benchmarks.graphs import open_audio_graph
from tests.benchmarks.tables import row, spread, table
from tests.library_parts import SilentProgress

QUERIES = "queries.json"
RECORDING_S = 600.0
RATE_HZ = 16_000
PORTION = 60
"""Recordings that are drawn and indexed at a time. Their files are deleted afterwards: 100 h take 7 GB."""


def build(pack: Path, folder: Path, hours: float) -> None:
    """Draws recordings of 10 minutes with sounds over ambiences, and indexes them."""
    from training.evaluation.sparse_recordings import sparse_set  # needs torch

    recordings = folder / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    drawn = sparse_set(pack, "reported", round(hours * 3600 / RECORDING_S), RECORDING_S)
    (folder / QUERIES).write_text(json.dumps(drawn.queries))
    manifest = read_manifest(PACKAGED_BUNDLE)
    step_s = manifest.window_plan.step_frames * manifest.grid.hop_s
    bare, costs, durations_s, elapsed_s = list[float](), list[float](), list[float](), 0.0
    with closing(Decoders(2)) as decoders:
        options = EngineOptions(device="cpu", max_clip_s=86_400, cache_bytes=0)
        with closing(open_engine(PACKAGED_BUNDLE, options, memory_cache(0), decoders.decode)) as engine:
            library = open_or_create_library(str(folder / "real"), LibraryModel.of(engine.manifest))
            for begin in range(0, len(drawn.clips), PORTION):
                paths: list[Path] = []
                for number, clip in enumerate(drawn.clips[begin : begin + PORTION], begin):
                    paths.append(recordings / f"{number:05d}.flac")
                    soundfile.write(paths[-1], clip.waveform(RATE_HZ), RATE_HZ)
                bare.append(bare_cost(manifest.window_samples, step_s))
                began_s, cpu_s = time.perf_counter(), _cpu_s()
                durations_s.append(_index(library, engine, paths))
                costs.append(_cpu_s() - cpu_s)
                elapsed_s += time.perf_counter() - began_s
                bare.append(bare_cost(manifest.window_samples, step_s))
                for path in paths:
                    path.unlink()
    hours, decoding_s = sum(durations_s) / 3600, resource.getrusage(resource.RUSAGE_CHILDREN)
    decoding = (decoding_s.ru_utime + decoding_s.ru_stime) / hours
    own = [3600 * cost / duration_s for cost, duration_s in zip(costs, durations_s, strict=True)]
    library.update_indexes()
    library.compact()
    table("indexing", "value")
    row("hours", f"{hours:.2f}")
    row("speed, times real time", f"{3600 * hours / elapsed_s:.0f}")
    row("CPU time of an hour of audio, s: service", spread(own, 2))
    row("CPU time of an hour of audio, s: decoders", f"{decoding:.2f}")
    row("CPU time of an hour in the bare tower, s", spread(bare, 2))
    row("share of the bare tower", f"{np.median(bare) / (np.median(own) + decoding):.3f}")
    sizes(library)


def _index(library: Library, engine: Engine, paths: Sequence[Path]) -> float:
    files = [str(path) for path in paths]
    return index_files(library, files, lambda file: engine.embed(Upload(file)), {}, SilentProgress()).duration_s


def _cpu_s() -> float:
    """CPU time of this process, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def bare_cost(window_samples: int, step_s: float, n_batches: int = 12) -> float:
    """CPU time in which the audio encoder alone embeds an hour of audio, in batches of four windows, in seconds."""
    graph = open_audio_graph(EngineOptions(device="cpu"))
    windows = np.random.default_rng(0).normal(0, 0.1, (4, window_samples)).astype(np.float32)
    graph.run({"waveform": windows})
    cpu_s = _cpu_s()
    for _ in range(n_batches):
        graph.run({"waveform": windows})
    return (_cpu_s() - cpu_s) / (n_batches * 4 * step_s) * 3600


def sizes(library: Library) -> None:
    """Prints the size of a library."""
    facts = describe(library)
    row("recordings, moments", f"{facts['recordings']}, {facts['moments']}")
    row("moments an hour", f"{facts['moments'] / facts['hours']:.0f}")
    row("size an hour, MB", f"{facts['bytes'] / facts['hours'] / 1e6:.1f}")
