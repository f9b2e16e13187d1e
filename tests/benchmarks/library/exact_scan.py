"""The best moments of each query from all frames of a library, found without its search: by scoring every recording."""

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.core import scoring
from service.core.curves import score_curves
from service.core.manifest import Manifest
from service.core.scoring import EncodedQueries
from service.library.frame_blocks import n_blocks
from service.library.frame_reader import BlockRange, read_ranges
from service.library.recording import Recording
from service.library.store import Library

Key = tuple[str, float]
"""A moment: id of its recording, and its onset in seconds."""
ROUNDING = 2e-5
"""Difference of scores that rounding may cause."""


def recordings_of(library: Library) -> list[Recording]:
    """All recordings of a library, by path."""
    return sorted(map(Recording.of_row, library.recordings().to_pylist()), key=lambda recording: recording.path)


def embedding_of(library: Library, recording: Recording) -> Any:
    """All frames of a recording, shape (T, D)."""
    blocks = BlockRange(recording.generation, recording.n_frames, 0, n_blocks(recording.n_frames))
    return read_ranges(library, [blocks])[blocks]


def exact_tops(
    library: Library, manifest: Manifest, queries: Sequence[EncodedQueries], top: int
) -> list[dict[Key, float]]:
    """The moments with the highest scores for each query, with their scores; fewer than `top` if there are no more."""
    encoded, postprocessing = EncodedQueries.join(queries), manifest.postprocessing
    best: list[list[tuple[float, Key]]] = [[] for _ in queries]
    for recording in recordings_of(library):
        similarities = scoring.similarity(embedding_of(library, recording), encoded.embeddings)  # (Q, T)
        evidence = encoded.evidence(similarities)
        highest = scoring.score(evidence.max(axis=1), manifest.calibration)  # (Q,)
        needed = [max(kept[0][0] if len(kept) == top else 0, postprocessing.threshold) for kept in best]
        (rows,) = np.nonzero(highest > np.array(needed) - ROUNDING)  # the median filter makes no score higher
        curves = score_curves(evidence[rows], manifest.calibration, manifest.grid, postprocessing)
        for index, row in enumerate(rows.tolist()):
            for segment in curves.segments(index, recording.duration_s):
                heapq.heappush(best[row], (segment.score, (recording.id, segment.onset_s)))
                if len(best[row]) > top:
                    heapq.heappop(best[row])
    return [{key: score for score, key in kept} for kept in best]


def recall(scores: Sequence[float], exact: Mapping[Key, float]) -> float:
    """Share of the best moments that a search with these scores has found. Moments with equal scores are as good."""
    lowest = min(exact.values()) - ROUNDING
    return min(1.0, sum(score >= lowest for score in scores) / len(exact))
