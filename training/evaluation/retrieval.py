"""Whole recordings found by their captions, and captions by their recordings."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (1, 5, 10)
PRECISION_CUTOFF = 10


def retrieval(
    scores: NDArray[np.floating], relevant: NDArray[np.bool_], weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Recall at 1, 5 and 10 and mean average precision at 10, both ways.

    Recall at k is the share of queries of which one answer that is right is among the first k.

    Args:
        scores: Clip scores of recordings and captions, (R, C).
        relevant: Which captions are true of which recordings, (R, C).
        weights: How often each recording counts as a query or, by its captions, as an answer: (R, B).

    Returns:
        Figures by name: (B,).
    """
    shares = relevant / np.maximum(relevant.sum(axis=0), 1)  # a caption counts as often as its recordings
    figures: dict[str, NDArray[np.float64]] = {}
    for way, own, right, counts in (
        ("text_to_audio", scores.T, relevant.T, shares.T @ weights),
        ("audio_to_text", scores, relevant, weights),
    ):
        ranked = np.take_along_axis(right, np.argsort(-own, axis=1, kind="stable"), axis=1)
        total = counts.sum(axis=0)
        for cutoff in CUTOFFS:
            figures[f"{way}_r{cutoff}"] = ranked[:, :cutoff].any(axis=1) @ counts / total
        figures[f"{way}_map{PRECISION_CUTOFF}"] = _average_precision(ranked) @ counts / total
    return figures


def _average_precision(ranked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Average precision among the first 10 of answers in order, right or not, (Q, A): (Q,)."""
    first = ranked[:, :PRECISION_CUTOFF]
    precision = np.cumsum(first, axis=1) / np.arange(1, first.shape[1] + 1)
    return (precision * first).sum(axis=1) / np.clip(ranked.sum(axis=1), 1, PRECISION_CUTOFF)


def relevance(own: Sequence[Sequence[str]], captions: Sequence[str]) -> NDArray[np.bool_]:
    """Which captions are those of which recordings: (R, C)."""
    index = {caption: i for i, caption in enumerate(captions)}
    found = np.zeros((len(own), len(captions)), dtype=bool)
    for recording, texts in enumerate(own):
        found[recording, [index[text] for text in texts]] = True
    return found
