"""From embeddings to answers: the one function that serving and evaluation share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core import scoring
from service.core.manifest import Manifest
from service.core.postprocessing import Postprocessing
from service.core.segments import Segment, find_segments

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class QueryResult:
    """The answer to one query about one clip.

    Attributes:
        query: As it was asked.
        present: Whether there is a segment.
        clip_score: The maximum of `score`.
        score: Calibrated scores in [0, 1], smoothed and extended, shape (T,): what segments are cut from.
        similarity: Raw cosine similarities in [-1, 1], shape (T,).
        segments: Where the query is heard: in order of time, disjoint, inside the clip.
    """

    query: str
    present: bool
    clip_score: float
    score: Float32
    similarity: Float32
    segments: tuple[Segment, ...]


def localize(
    frames: NDArray[np.float16] | Float32,
    queries: Sequence[str],
    query_embeddings: Float32,
    manifest: Manifest,
    postprocessing: Postprocessing,
    duration_s: float,
) -> list[QueryResult]:
    """Tells when each query is heard.

    Args:
        frames: Unit-norm frame embeddings of the clip, shape (T, D), T at least 1.
        queries: The Q queries, as asked.
        query_embeddings: Their unit-norm embeddings, shape (Q, D).
        manifest: For the frame grid and the calibration.
        postprocessing: How curves become segments.
        duration_s: The clip's length; it ends in frame T - 1.

    Returns:
        One result a query, in the same order.
    """
    similarities = scoring.similarity(frames, query_embeddings)  # (Q, T)
    width_frames = manifest.grid.odd_frames_for(postprocessing.median_filter_s)
    raw = scoring.score(similarities, manifest.scale, manifest.bias)  # (Q, T)
    smoothed = scoring.median_filter(raw, width_frames)  # (Q, T)
    scores = scoring.extend(smoothed, postprocessing.extent_ratio)  # (Q, T)
    clip_scores = scoring.clip_score(scores)  # (Q,)
    results: list[QueryResult] = []
    for index, query in enumerate(queries):
        segments = find_segments(
            scores[index],
            smoothed[index],
            manifest.grid,
            duration_s,
            postprocessing.threshold,
            postprocessing.threshold_off,
            postprocessing.min_duration_s,
            postprocessing.merge_gap_s,
        )
        results.append(
            QueryResult(
                query=query,
                present=bool(segments),
                clip_score=float(clip_scores[index]),
                score=scores[index],
                similarity=similarities[index],
                segments=tuple(segments),
            )
        )
    return results
