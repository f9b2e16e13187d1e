"""The steps from embeddings to score curves: similarity, calibrated score, median filter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from service.core.half_precision import to_single

Float32 = NDArray[np.float32]

ALL_ROWS = slice(None)
_CHUNK_FRAMES = 1 << 13
_CHUNK_VALUES = 1 << 20  # values that are sorted in one step: 4 MiB of float32
_MAX_EXCHANGED_FRAMES = 15  # up to this width, comparing whole curves is faster than partitioning each window


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scale and bias of the sigmoid that turns evidence into scores: score = sigmoid(scale * evidence + bias).

    The evidence is the similarity of a query with a frame, or the text-dependent logit; see `EncodedQueries.evidence`.
    """

    scale: float
    bias: float


UNCALIBRATED = Calibration(scale=1.0, bias=0.0)
"""The identity on logits, for queries with text-dependent sigmoids, whose evidence is the logit of their score already."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedQueries:
    """Q queries, encoded by the text tower.

    Attributes:
        embeddings: Unit-norm query embeddings, shape (Q, D).
        sigmoids: Scale and bias of each query, shape (Q, 2), of a model with text-dependent sigmoids; None for a model
            whose queries share one sigmoid.
    """

    embeddings: Float32
    sigmoids: Float32 | None = None

    def split(self) -> "list[EncodedQueries]":
        """Copies each query into a separate object, so that a cached query keeps no other query in memory."""
        sigmoids = (
            [None] * len(self.embeddings) if self.sigmoids is None else [row[None].copy() for row in self.sigmoids]
        )
        return [EncodedQueries(row[None].copy(), pair) for row, pair in zip(self.embeddings, sigmoids, strict=True)]

    @classmethod
    def join(cls, parts: "Sequence[EncodedQueries]") -> "EncodedQueries":
        """Joins parts that the same model encoded, in order."""
        sigmoids = [part.sigmoids for part in parts if part.sigmoids is not None]
        embeddings = np.concatenate([part.embeddings for part in parts])  # (Q, D)
        return cls(embeddings, np.concatenate(sigmoids) if sigmoids else None)

    def evidence(self, similarity: Float32, rows: slice = ALL_ROWS) -> Float32:
        """Computes the values (R, T) that the calibration turns into scores, from similarities (R, T).

        If the queries share one sigmoid, the evidence is the similarity. If each query has a sigmoid, the evidence is the
        logit, scale * similarity + bias, with the scale and bias of the query, as in training. FLAM (arXiv 2505.05335)
        also removes the prior sigmoid(bias): its score is sigmoid(logit) / (sigmoid(logit) + sigmoid(bias)). FLAM's score
        is about 0.5 for silence, and gave lower figures (`training/EXPERIMENTS.md`).

        Args:
            similarity: Similarities of R of the Q queries.
            rows: Which of the Q queries they are.
        """
        if self.sigmoids is None:
            return similarity
        return self.sigmoids[rows, :1] * similarity + self.sigmoids[rows, 1:]


def similarity(frames: NDArray[np.float16] | Float32, queries: Float32, rows: slice = ALL_ROWS) -> Float32:
    """Computes the cosine similarity of queries with every frame, in single precision and in chunks of frames.

    Args:
        frames: Unit-norm frame embeddings, shape (T, D).
        queries: Unit-norm query embeddings, shape (Q, D).
        rows: The R queries whose similarities are returned. The product is computed with all queries, because its last
            bits depend on the number of queries. So the values of a row do not depend on the rows returned with it.

    Returns:
        Similarities in [-1, 1], shape (R, T).
    """
    similarities = np.empty((len(range(len(queries))[rows]), len(frames)), np.float32)
    for begin in range(0, len(frames), _CHUNK_FRAMES):
        part = frames[begin : begin + _CHUNK_FRAMES]
        chunk = to_single(cast("NDArray[np.float16]", part)) if part.dtype == np.float16 else cast("Float32", part)
        similarities[:, begin : begin + _CHUNK_FRAMES] = (queries @ chunk.T)[rows]
    return np.clip(similarities, -1, 1, out=similarities)


def score(evidence: Float32, calibration: Calibration) -> Float32:
    """Computes calibrated scores in [0, 1] from evidence of any shape."""
    logit = np.float32(calibration.scale) * evidence + np.float32(calibration.bias)
    return (0.5 + 0.5 * np.tanh(0.5 * logit)).astype(np.float32, copy=False)  # the sigmoid, without overflow


def median_filter(curves: Float32, width_frames: int) -> Float32:
    """Replaces each value by the median of a centred window of frames; beyond the ends, the end values are repeated.

    Equal to `scipy.ndimage.median_filter(curves, (1, width_frames), mode="nearest")`.

    Args:
        curves: Shape (Q, T).
        width_frames: Width of the window, an odd number of frames; 1 leaves the curves unchanged.

    Returns:
        Smoothed curves, shape (Q, T).

    Raises:
        ValueError: If the width is even or not positive.
    """
    if width_frames < 1 or width_frames % 2 == 0:
        raise ValueError(f"a median filter's width is odd and positive, not {width_frames}")
    if width_frames == 1 or curves.shape[1] == 0:
        return curves.copy()
    half = width_frames // 2
    smoothed = np.empty_like(curves)
    first, last = (np.repeat(end, half, axis=1) for end in (curves[:, :1], curves[:, -1:]))
    padded = np.concatenate([first, curves, last], axis=1)  # (Q, T + 2 * half)
    step = max(1, _CHUNK_VALUES // (width_frames * max(1, len(curves))))
    for begin in range(0, curves.shape[1], step):
        chunk = padded[:, begin : begin + step + 2 * half]
        smoothed[:, begin : begin + step] = _medians(chunk, width_frames)
    return smoothed


def _medians(curves: Float32, width: int) -> Float32:
    """Computes the medians (Q, T - width + 1) of all windows of an odd width in curves (Q, T)."""
    half, n_windows = width // 2, curves.shape[1] - width + 1
    if width > _MAX_EXCHANGED_FRAMES:
        return np.partition(sliding_window_view(curves, width, axis=1), half, axis=2)[:, :, half]
    waiting = [curves[:, frame : frame + n_windows] for frame in range(width)]
    held = [waiting.pop() for _ in range(half + 1)]
    # forgetful selection: among half of the values plus two, the smallest and the largest cannot be the median
    while waiting:
        held.append(waiting.pop())
        for i in range(1, len(held)):
            held[0], held[i] = np.minimum(held[0], held[i]), np.maximum(held[0], held[i])
        for i in range(1, len(held) - 1):
            held[i], held[-1] = np.minimum(held[i], held[-1]), np.maximum(held[i], held[-1])
        held = held[1:-1]
    return held[0]


def clip_score(smoothed: Float32) -> Float32:
    """Computes the score of the whole clip for each query, shape (Q,): the maximum of its curve, shape (Q, T)."""
    return smoothed.max(axis=1)
