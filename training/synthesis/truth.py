"""When a sound is active: derived from the energy of its clean recording."""

import itertools

import numpy as np
from numpy.typing import NDArray

BLOCK_S = 0.02
RANGE_DB = 32.0
"""A block is active if its power is at most this many dB below the loudest block."""
MAX_PAUSE_S = 0.4
"""Pauses of at most this duration, in seconds, between active blocks count as active."""


def active_blocks(clean: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.bool_]:
    """Whether each block of 20 ms of a clean recording is active: (ceil(N / block),).

    A block is active if its power is at most 32 dB below the loudest block's. Pauses of up to 0.4 s are filled. Digital silence
    is never active.
    """
    block = round(BLOCK_S * sample_rate_hz)
    padded = np.pad(clean, (0, -len(clean) % block))
    power = (padded.reshape(-1, block).astype(np.float64) ** 2).mean(axis=1)
    if power.max(initial=0.0) <= 0:
        return np.zeros(len(power), dtype=bool)
    return bridge(power >= power.max() * 10 ** (-RANGE_DB / 10), round(MAX_PAUSE_S / BLOCK_S))


def bridge(active: NDArray[np.bool_], max_pause: int) -> NDArray[np.bool_]:
    """Fills the pauses of at most `max_pause` entries between true entries.

    >>> bridge(np.array([1, 0, 1, 0, 0, 1, 0], dtype=bool), 1).astype(int)
    array([1, 1, 1, 0, 0, 1, 0])
    """
    bridged = active.copy()
    on = np.flatnonzero(active)
    for before, after in itertools.pairwise(on):
        if after - before - 1 <= max_pause:
            bridged[before:after] = True
    return bridged


def runs(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The maximal runs [start, end) of true entries.

    >>> runs(np.array([0, 1, 1, 0, 1], dtype=bool))
    [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
