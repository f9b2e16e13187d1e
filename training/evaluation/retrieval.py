"""Retrieval figures: recordings ranked for a caption, and captions ranked for a recording."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RECALL_CUTOFFS = (1, 5, 10)
PRECISION_CUTOFF = 10


def retrieval(
    scores: NDArray[np.floating], relevant: NDArray[np.bool_], weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Recall at 1, 5 and 10 and mean average precision at 10, in both directions.

    Recall at k (`r1`, `r5`, `r10`) is the fraction of queries with at least one relevant item among the k items with the
    highest scores. In `text_to_audio`, the queries are captions and the items are recordings; in `audio_to_text`, the
    queries are recordings and the items are captions.

    Args:
        scores: Clip scores of R recordings and K captions, (R, K).
        relevant: Whether each caption is annotated on each recording, (R, K).
        weights: Number of times that each recording counts in each bootstrap resample, (R, B). A caption counts as
            often as its recordings do on average.

    Returns:
        Figures by name: (B,).
    """
    shares = relevant / np.maximum(relevant.sum(axis=0), 1)  # weight of a caption: the mean over its recordings
    figures: dict[str, NDArray[np.float64]] = {}
    for direction, query_scores, relevant_items, counts in (
        ("text_to_audio", scores.T, relevant.T, shares.T @ weights),
        ("audio_to_text", scores, relevant, weights),
    ):
        ranked = np.take_along_axis(relevant_items, np.argsort(-query_scores, axis=1, kind="stable"), axis=1)
        total = counts.sum(axis=0)
        for cutoff in RECALL_CUTOFFS:
            figures[f"{direction}_r{cutoff}"] = ranked[:, :cutoff].any(axis=1) @ counts / total
        figures[f"{direction}_map{PRECISION_CUTOFF}"] = _average_precision(ranked) @ counts / total
    return figures


def _average_precision(ranked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Average precision among the first 10 items of each ranking, (Q,), from the ranked items' relevance (Q, items)."""
    first = ranked[:, :PRECISION_CUTOFF]
    precision = np.cumsum(first, axis=1) / np.arange(1, first.shape[1] + 1)
    return (precision * first).sum(axis=1) / np.clip(ranked.sum(axis=1), 1, PRECISION_CUTOFF)


def relevance(recording_captions: Sequence[Sequence[str]], captions: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each of `captions` is annotated on each recording: (R, K)."""
    index = {caption: i for i, caption in enumerate(captions)}
    relevant = np.zeros((len(recording_captions), len(captions)), dtype=bool)
    for recording, texts in enumerate(recording_captions):
        relevant[recording, [index[text] for text in texts]] = True
    return relevant
