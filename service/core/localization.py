"""Computes the results of queries about a clip from embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core import scoring
from service.core.curves import score_curves
from service.core.manifest import Manifest
from service.core.postprocessing import Postprocessing
from service.core.scoring import EncodedQueries
from service.core.segments import Segment

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class QueryResult:
    """The result of a query about a clip.

    Attributes:
        query: The text of the query, unchanged.
        present: Whether there is at least one segment.
        clip_score: The maximum of `score`.
        score: Calibrated scores in [0, 1], smoothed and extended, shape (T,): the curve that is cut into segments.
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
    encoded: EncodedQueries,
    manifest: Manifest,
    postprocessing: Postprocessing,
    duration_s: float,
) -> list[QueryResult]:
    """Computes when each query is heard in a clip.

    Args:
        frames: Unit-norm frame embeddings of the clip, shape (T, D), T at least 1.
        queries: The texts of the Q queries.
        encoded: The Q queries as the text tower encodes them.
        manifest: The manifest of the bundle, which holds the frame grid and the calibration.
        postprocessing: How scores become segments.
        duration_s: Length of the clip, which ends in frame T - 1.

    Returns:
        One result for each query, in the same order.
    """
    similarities = scoring.similarity(frames, encoded.embeddings)  # (Q, T)
    curves = score_curves(encoded.evidence(similarities), manifest.calibration, manifest.grid, postprocessing)
    clip_scores = scoring.clip_score(curves.extended)  # (Q,)
    results: list[QueryResult] = []
    for index, query in enumerate(queries):
        segments = curves.segments(index, duration_s)
        results.append(
            QueryResult(
                query=query,
                present=bool(segments),
                clip_score=float(clip_scores[index]),
                score=curves.extended[index],
                similarity=similarities[index],
                segments=tuple(segments),
            )
        )
    return results
