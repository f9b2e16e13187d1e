"""The best moments of each query from all frames of a library, found without its search: by localizing every recording."""

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

from service.core.localization import localize
from service.core.manifest import Manifest
from service.core.scoring import EncodedQueries
from service.library.frame_blocks import n_blocks
from service.library.frame_reader import BlockRange, read_ranges
from service.library.recording import Recording
from service.library.store import Library

Key = tuple[str, float]
"""A moment: id of its recording, and its onset in seconds."""


def recordings_of(library: Library) -> list[Recording]:
    """All recordings of a library, by path."""
    return sorted(map(Recording.of_row, library.recordings().to_pylist()), key=lambda recording: recording.path)


def embedding_of(library: Library, recording: Recording) -> Any:
    """All frames of a recording, shape (T, D)."""
    blocks = BlockRange(recording.generation, recording.n_frames, 0, n_blocks(recording.n_frames))
    return read_ranges(library, [blocks])[blocks]


def exact_tops(library: Library, manifest: Manifest, queries: Sequence[EncodedQueries], top: int) -> list[dict[Key, float]]:
    """The moments with the highest scores for each query, with their scores; fewer than `top` if there are no more."""
    encoded = EncodedQueries.join(queries)
    names = [str(number) for number in range(len(queries))]
    best: list[list[tuple[float, Key]]] = [[] for _ in queries]
    for recording in recordings_of(library):
        frames = embedding_of(library, recording)
        results = localize(frames, names, encoded, manifest, manifest.postprocessing, recording.duration_s)
        for kept, result in zip(best, results, strict=True):
            for segment in result.segments:
                heapq.heappush(kept, (segment.score, (recording.id, segment.onset_s)))
                if len(kept) > top:
                    heapq.heappop(kept)
    return [{key: score for score, key in kept} for kept in best]


def recall(found: dict[Key, float], exact: dict[Key, float], rounding: float = 2e-5) -> float:
    """Share of the best moments that were found. A moment whose score equals that of a missed one up to rounding counts."""
    lowest = min(exact.values())
    hits = sum(score >= lowest - rounding for score in found.values())
    return min(1.0, hits / len(exact))


def quantiles_ms(times_ms: Sequence[float]) -> str:
    """p50 and p99 of times."""
    return f"{np.percentile(times_ms, 50):.1f} and {np.percentile(times_ms, 99):.1f}"
