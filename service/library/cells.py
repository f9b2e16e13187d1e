"""Cells: means of about 0.2 s of frames, one byte a number, from which a search estimates the best score inside a stretch.

The mean of a stretch says little about a short sound inside it. The median filter of the scores is about as wide as a cell, so
the largest similarity of a cell is close to the similarity that decides the score of a moment: 99 % of the moments of five hours
of scenes exceed it by less than 0.04, where they exceed the mean of their stretch by up to 0.1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

MAX_CELLS = 5
"""Cells that are kept of each stretch. A longer stretch hardly changes; the mean of its further cells is kept as one more."""
_STEPS = 127
QUANTIZATION = 0.5 / _STEPS + 1e-4
"""Largest error of a number of a cell, with rounding."""


def encode_cells(cells: Float32, starts: NDArray[np.int64]) -> list[bytes]:
    """Encodes the cells of each stretch.

    Args:
        cells: Mean frame embeddings of the cells of a recording, shape (C, D).
        starts: First cell of each of the M stretches, which cover all cells, shape (M,).

    Returns:
        M codes: the numbers of at most `MAX_CELLS + 1` rows of D bytes.
    """
    codes = _quantized(cells)
    encoded: list[bytes] = []
    for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(cells)], strict=True):
        kept = codes[begin : min(end, begin + MAX_CELLS)].tobytes()
        rest = cells[begin + MAX_CELLS : end]
        encoded.append(kept + _quantized(rest.mean(axis=0)).tobytes() if len(rest) else kept)
    return encoded


def best_similarities(encoded: Any, query: Float32) -> Float32:
    """Computes the largest similarity of the cells of each stretch with a query, shape (M,).

    Args:
        encoded: An Arrow array of M codes, of type large_binary.
        query: The query embedding, shape (D,).

    Raises:
        ValueError: If a code is no sequence of rows of D bytes, or is empty.
    """
    if not len(encoded):
        return np.zeros(0, np.float32)
    codes, starts = decode_cells(encoded, len(query))
    similarities = codes.astype(np.float32) @ (query / _STEPS)  # (cells,)
    return np.maximum.reduceat(similarities, starts)


def decode_cells(encoded: Any, dimension: int) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Reads the cells of stretches: the codes of all cells, shape (C, D), and the first cell of each stretch, shape (M,).

    Args:
        encoded: An Arrow array of M codes, of type large_binary, M at least 1.
        dimension: D.

    Raises:
        ValueError: If a code is no sequence of rows of D bytes, or is empty.
    """
    _, offsets, values = encoded.buffers()
    ends = np.frombuffer(offsets, np.int64)[encoded.offset : encoded.offset + len(encoded) + 1]
    lengths = np.diff(ends)
    if (lengths < dimension).any() or (lengths % dimension).any():
        raise ValueError(f"cells of {dimension} dimensions are missing or damaged")
    codes = np.frombuffer(values, np.int8)[ends[0] : ends[-1]].reshape(-1, dimension)
    return codes, (ends[:-1] - ends[0]) // dimension


def means_of_cells(codes: NDArray[np.int8], starts: NDArray[np.int64], n_cells: NDArray[np.int64]) -> Float32:
    """Computes the mean of each stretch from its cells, shape (M, D), within `QUANTIZATION`; see `decode_cells`.

    Args:
        codes: The codes of all cells, shape (C, D).
        starts: First code of each stretch, shape (M,).
        n_cells: Number of cells of each stretch before those after the first `MAX_CELLS` were joined, shape (M,).
    """
    n_codes = np.diff(np.append(starts, len(codes)))
    place = np.arange(len(codes)) - np.repeat(starts, n_codes)
    weights = np.where(place < MAX_CELLS, 1, np.repeat(n_cells, n_codes) - MAX_CELLS).astype(np.float32)  # (C,)
    sums: Float32 = np.add.reduceat(codes * weights[:, None], starts, axis=0)  # (M, D)
    return sums / np.float32(_STEPS) / n_cells[:, None].astype(np.float32)


def _quantized(cells: Float32) -> NDArray[np.int8]:
    return np.clip(np.rint(cells * _STEPS), -_STEPS, _STEPS).astype(np.int8)
