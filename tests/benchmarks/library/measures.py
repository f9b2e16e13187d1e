"""Measures libraries; each command prints a table.

    python -m tests.benchmarks.library build PACK FOLDER --hours 100     # draws recordings, indexes them; speed and size
    python -m tests.benchmarks.library draw FOLDER --hours 1000          # a larger library with embeddings like the real ones
    python -m tests.benchmarks.library search FOLDER/real                # recall, latency, memory; also FOLDER/drawn1000
    python -m tests.benchmarks.library quality PACK FOLDER/real          # do the moments hit the true events?

PACK is a folder of recordings with clips.csv. All draws are seeded.
"""

import argparse
import json
import resource
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from service.core.manifest import PACKAGED_BUNDLE, read_manifest
from service.engine.caching.tiers import memory_cache
from service.engine.clip import Upload
from service.engine.clip_embedding import ClipEmbedding
from service.engine.decoders import Decoders
from service.engine.engine import Engine, open_engine
from service.engine.options import EngineOptions
from service.library.contents import describe
from service.library.frame_blocks import n_blocks
from service.library.frame_reader import BlockRange, read_ranges
from service.library.indexing import index_files
from service.library.recording import LibraryModel, Recording
from service.library.searching import Searcher, SearchOptions, SearchQuery, SearchResult
from service.library.store import Library, NewRecording, open_library, open_or_create_library
from tests.benchmarks.graphs import open_audio_graph
from tests.benchmarks.tables import row, table
from tests.library_parts import SilentProgress

TOP = 20
QUERIES = "queries.json"
RECORDING_S = 600.0
RATE_HZ = 16_000
MIN_IOU = 0.5
_PIECE_FRAMES = 250
_JITTER = 0.02
_WARM_UP = 10


def build(pack: Path, folder: Path, hours: float) -> None:
    """Draws recordings of 10 minutes with sounds over ambiences, and indexes them."""
    from training.evaluation.sparse_recordings import sparse_set  # needs torch

    recordings = folder / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    drawn = sparse_set(pack, "reported", round(hours * 3600 / RECORDING_S), RECORDING_S)
    for number, clip in enumerate(drawn.clips):
        path = recordings / f"{number:05d}.flac"
        if not path.exists():
            soundfile.write(path, clip.waveform(RATE_HZ), RATE_HZ)
    (folder / QUERIES).write_text(json.dumps(drawn.queries))
    paths = [str(path) for path in sorted(recordings.iterdir())]
    manifest = read_manifest(PACKAGED_BUNDLE)
    step_s = manifest.window_plan.step_frames * manifest.grid.hop_s
    bare = [bare_cost(manifest.window_samples, step_s)]
    began_s, cpu_s = time.perf_counter(), _cpu_s()
    with closing(Decoders(2)) as decoders:
        options = EngineOptions(device="cpu", max_clip_s=86_400, cache_bytes=0)
        with closing(open_engine(PACKAGED_BUNDLE, options, memory_cache(0), decoders.decode)) as engine:
            library = open_or_create_library(str(folder / "real"), LibraryModel.of(engine.manifest))
            report = index_files(library, paths, lambda file: engine.embed(Upload(file)), {}, SilentProgress())
    hours, elapsed_s, cost = report.duration_s / 3600, time.perf_counter() - began_s, _cpu_s() - cpu_s
    bare.append(bare_cost(manifest.window_samples, step_s))
    library.update_indexes()
    library.compact()
    table("indexing", "value")
    row("hours", f"{hours:.2f}")
    row("speed, times real time", f"{report.duration_s / elapsed_s:.0f}")
    row("CPU time of an hour of audio, s", f"{cost / hours:.1f}")
    row("CPU time of an hour in the bare tower, s", ", ".join(f"{each:.1f}" for each in bare))
    row("share of the bare tower", f"{np.mean(bare) / (cost / hours):.2f}")
    sizes(library)


def _cpu_s() -> float:
    """CPU time of this process and of its ended children, in seconds."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


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


def draw(folder: Path, hours: float) -> None:
    """Makes a library of recordings whose frames are pieces of real recordings, slightly changed and put in another order."""
    real, rng = open_library(str(folder / "real")), np.random.default_rng(0)
    pool = np.concatenate([embedding_of(real, each) for each in recordings_of(real)[:60]])  # (T, D), at most 10 hours
    grid = real.model.grid
    n_frames = round(RECORDING_S / grid.hop_s)
    library = open_or_create_library(str(folder / f"drawn{hours:g}"), real.model)
    began_s, batch = time.perf_counter(), list[NewRecording]()
    for number in range(round(hours * 3600 / RECORDING_S)):
        starts = rng.integers(0, len(pool) - _PIECE_FRAMES, -(-n_frames // _PIECE_FRAMES))
        pieces = np.concatenate([pool[start : start + _PIECE_FRAMES] for start in starts])[:n_frames].astype(np.float32)
        shift = _JITTER * rng.standard_normal((len(starts), pool.shape[1]), np.float32).repeat(_PIECE_FRAMES, axis=0)
        pieces += shift[:n_frames]
        pieces /= np.linalg.norm(pieces, axis=1, keepdims=True)
        embedding = ClipEmbedding(pieces.astype(np.float16), n_frames * grid.hop_s)
        name = f"{number:032x}"
        recording = Recording(name, f"/drawn/{name}", name, 0, 0, embedding.duration_s, n_frames, 0)
        batch.append(NewRecording(recording, embedding))
        if len(batch) == 12:
            library.add(batch)
            batch = []
    library.add(batch)
    written_s = time.perf_counter() - began_s
    library.update_indexes()
    table("drawn", "value")
    row("hours", f"{hours:g}")
    row("writing, hours/s", f"{hours / written_s:.2f}")
    row("making the indexes, s", f"{time.perf_counter() - began_s - written_s:.0f}")
    sizes(library)


def recordings_of(library: Library) -> list[Recording]:
    """All recordings of a library, by path."""
    return sorted(map(Recording.of_row, library.recordings().to_pylist()), key=lambda recording: recording.path)


def embedding_of(library: Library, recording: Recording) -> Any:
    """All frames of a recording, shape (T, D)."""
    blocks = BlockRange(recording.generation, recording.n_frames, 0, n_blocks(recording.n_frames))
    return read_ranges(library, [blocks])[blocks]


def search(location: Path, *, with_recall: bool) -> None:
    """Prints the latency and the memory of searches for every label, and the recall of the first stage."""
    options, searcher, engine = _open(location)
    labels, times_ms, searched_s = _captions(location), list[float](), 0.0
    for number in range(3 * len(labels)):
        began_s = time.perf_counter()
        result = searcher.search(_queries(engine, labels[number % len(labels)][number // len(labels)]), options)
        times_ms.append(1000 * (time.perf_counter() - began_s))
        searched_s = result.searched_s
    warm = times_ms[_WARM_UP:]
    table("search", "value")
    row("hours", f"{searched_s / 3600:.1f}")
    row("queries", len(times_ms))
    row("p50, ms", f"{np.percentile(warm, 50):.1f}")
    row("p99, ms", f"{np.percentile(warm, 99):.1f}")
    row("peak memory of the process, MB", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f}")
    recalls: list[float] = []
    for words in labels if with_recall else ():
        query = _queries(engine, words[0])
        exact = searcher.search(query, SearchOptions(TOP, "", True, options.postprocessing))
        if exact.moments:
            recalls.append(len(_keys(searcher.search(query, options)) & _keys(exact)) / len(exact.moments))
    if recalls:
        name = f"recall of the top {TOP}, mean (lowest), of {len(recalls)} queries with moments"
        row(name, f"{np.mean(recalls):.4f} ({min(recalls):.2f})")
    engine.close()


def quality(pack: Path, location: Path) -> None:
    """Prints how many of the best moments are true: mean average precision, and precision of the top 20, at IoU 0.5."""
    from training.evaluation.sparse_recordings import sparse_set

    options, searcher, engine = _open(location)
    n_recordings = len(recordings_of(searcher.library))
    drawn = sparse_set(pack, "reported", n_recordings, RECORDING_S)
    averages, hit_rates, reachable = list[float](), list[float](), list[float]()
    for label, words in zip(drawn.labels, _captions(location), strict=True):
        truth = [(i, on, off) for i, clip in enumerate(drawn.clips) for name, on, off in clip.events if name == label]
        if not truth:
            continue
        moments = searcher.search(_queries(engine, words[0]), options).moments
        hits, left = list[bool](), set(truth)
        for moment in moments:
            number = int(Path(moment.recording.path).stem)
            onset_s, offset_s = moment.segment.onset_s, moment.segment.offset_s
            hit = next((e for e in left if e[0] == number and _iou(onset_s, offset_s, e[1], e[2]) >= MIN_IOU), None)
            left.discard(hit)
            hits.append(hit is not None)
        precision = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
        averages.append(sum(precision) / min(TOP, len(truth)))
        hit_rates.append(sum(hits) / TOP)
        reachable.append(min(TOP, len(truth)) / TOP)
    table("quality by words", "value")
    row("labels", len(averages))
    row(f"mAP of the top {TOP} at IoU {MIN_IOU}", f"{np.mean(averages):.3f}")
    row(
        f"true moments among the top {TOP} (largest possible share)",
        f"{np.mean(hit_rates):.3f} ({np.mean(reachable):.3f})",
    )
    engine.close()


def _open(location: Path) -> tuple[SearchOptions, Searcher, Engine]:
    library = open_library(str(location))
    engine = open_engine(PACKAGED_BUNDLE, EngineOptions(device="cpu", cache_bytes=0))
    return SearchOptions(TOP, "", False, engine.manifest.postprocessing), Searcher(library, engine.manifest), engine


def _queries(engine: Engine, words: str) -> list[SearchQuery]:
    return [SearchQuery(words, engine.encode([words]).encoded)]


def _captions(location: Path) -> Sequence[Sequence[str]]:
    """Held-out captions of each label that the benchmark measures."""
    return json.loads((location.parent / QUERIES).read_text())


def _keys(result: SearchResult) -> set[tuple[str, float]]:
    return {(moment.recording.id, moment.segment.onset_s) for moment in result.moments}


def _iou(onset_s: float, offset_s: float, true_onset_s: float, true_offset_s: float) -> float:
    common = max(0.0, min(offset_s, true_offset_s) - max(onset_s, true_onset_s))
    return common / (max(offset_s, true_offset_s) - min(onset_s, true_onset_s))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("build", "draw", "search", "quality"):
        command = commands.add_parser(name)
        if name in ("build", "quality"):
            command.add_argument("pack", type=Path)
        command.add_argument("folder", type=Path)
        if name in ("build", "draw"):
            command.add_argument("--hours", type=float, default=100.0)
        if name == "search":
            command.add_argument("--no-recall", action="store_true", help="skip the exact searches")
    args = parser.parse_args()
    if args.command == "build":
        build(args.pack, args.folder, args.hours)
    elif args.command == "draw":
        draw(args.folder, args.hours)
    elif args.command == "search":
        search(args.folder, with_recall=not args.no_recall)
    else:
        quality(args.pack, args.folder)


if __name__ == "__main__":
    main()
