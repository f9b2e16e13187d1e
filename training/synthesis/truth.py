"""When a sound is on: its frames from the energy of its clean recording."""

import itertools

import numpy as np
from numpy.typing import NDArray

BLOCK_S = 0.02
RANGE_DB = 32.0
MAX_PAUSE_S = 0.4


def active_blocks(clean: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.bool_]:
    """Whether each 20 ms block of a clean recording is part of the event: (ceil(N / block),).

    A block is active within 32 dB of the loudest; pauses of up to 0.4 s are bridged.
    """
    block = round(BLOCK_S * sample_rate_hz)
    padded = np.pad(clean, (0, -len(clean) % block))
    power = (padded.reshape(-1, block).astype(np.float64) ** 2).mean(axis=1)
    if power.max(initial=0.0) <= 0:
        return np.zeros(len(power), dtype=bool)
    return bridge(power >= power.max() * 10 ** (-RANGE_DB / 10), round(MAX_PAUSE_S / BLOCK_S))


def bridge(active: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Fills the inner pauses of at most `longest` entries.

    >>> bridge(np.array([1, 0, 1, 0, 0, 1, 0], dtype=bool), 1).astype(int)
    array([1, 1, 1, 0, 0, 1, 0])
    """
    bridged = active.copy()
    on = np.flatnonzero(active)
    for before, after in itertools.pairwise(on):
        if after - before - 1 <= longest:
            bridged[before:after] = True
    return bridged


def runs(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The runs [start, end) of true entries.

    >>> runs(np.array([0, 1, 1, 0, 1], dtype=bool))
    [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
