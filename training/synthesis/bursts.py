"""Bursts: short sounds that stand alone within a recording, such as a single key stroke or bark."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.pack import AudioStore
from training.synthesis.truth import BLOCK_S, RANGE_DB, runs

LONGEST_S = 0.5
"""A longer sound is not a burst, in seconds."""
APART_S = 0.1
"""A burst has at least this much silence on both sides, in seconds, or the recording begins or ends there."""
LOUDNESS_DB = 20.0
"""A burst is at most this many dB below the loudest block of its recording; quieter ones are noise between sounds."""


@dataclass(frozen=True, slots=True)
class Bursts:
    """All bursts of a store.

    Attributes:
        recording: index of each burst's recording, (K,).
        start_block: the block of 20 ms in which each burst starts, (K,).
        end_block: the block before which each burst ends, (K,).
    """

    recording: NDArray[np.int64]
    start_block: NDArray[np.int64]
    end_block: NDArray[np.int64]

    def weights(self, recording_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weight of each burst, (K,): the weight of its recording, divided by the recording's number of bursts."""
        counts = np.bincount(self.recording, minlength=len(recording_weights))
        return recording_weights[self.recording] / counts[self.recording]


def find_bursts(store: AudioStore) -> Bursts:
    """The bursts of every recording of a store (about 2 s for 5 hours of recordings)."""
    found = [
        (index, *burst) for index, samples in enumerate(store) for burst in bursts_of(samples, store.sample_rate_hz)
    ]
    table = np.array(found, dtype=np.int64).reshape(-1, 3)
    return Bursts(table[:, 0], table[:, 1], table[:, 2])


def bursts_of(samples: NDArray[np.float32], sample_rate_hz: int) -> list[tuple[int, int]]:
    """The bursts [start, end) of a recording, in blocks of 20 ms."""
    block = round(BLOCK_S * sample_rate_hz)
    power = (np.pad(samples, (0, -len(samples) % block)).reshape(-1, block) ** 2).mean(axis=1)
    loudest = float(power.max(initial=0.0))
    if loudest <= 0:
        return []
    sounds = _joined(runs(power >= loudest * 10 ** (-RANGE_DB / 10)), round(APART_S / BLOCK_S))
    audible = loudest * 10 ** (-LOUDNESS_DB / 10)
    return [(s, e) for s, e in sounds if e - s <= round(LONGEST_S / BLOCK_S) and power[s:e].max() >= audible]


def _joined(sounds: list[tuple[int, int]], apart: int) -> list[tuple[int, int]]:
    """Sounds with less than `apart` blocks between them, joined."""
    joined: list[tuple[int, int]] = []
    for start, end in sounds:
        if joined and start - joined[-1][1] < apart:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
