"""Decoded sound as the readers pass it on: samples of all channels with their sample rate."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

MAX_CHANNELS = 8


@dataclass(frozen=True, slots=True, eq=False)
class SoundBlock:
    """A stretch of decoded sound.

    Attributes:
        samples: Samples of all channels, shape (N, C); full scale is [-1, 1].
        rate_hz: Sample rate.
    """

    samples: Float32
    rate_hz: int


def regroup(blocks: Iterable[SoundBlock], block_samples: Callable[[int], int]) -> Iterator[SoundBlock]:
    """Joins and cuts blocks to a given length; a block is shorter at the end and before the format changes.

    A new block that is a part of a single old one shares its memory.

    Args:
        blocks: Blocks of any length.
        block_samples: Returns the number of samples of a new block for a sample rate.
    """
    parts: list[Float32] = []
    rate_hz, length, n_samples = 0, 0, 0
    for block in blocks:
        samples = block.samples
        if block.rate_hz != rate_hz or (parts and samples.shape[1] != parts[0].shape[1]):
            if parts:
                yield SoundBlock(_joined(parts), rate_hz)
                parts, n_samples = [], 0
            rate_hz, length = block.rate_hz, block_samples(block.rate_hz)
        while n_samples + len(samples) >= length:
            missing = length - n_samples
            yield SoundBlock(_joined([*parts, samples[:missing]]), rate_hz)
            parts, n_samples, samples = [], 0, samples[missing:]
        if len(samples):
            parts.append(samples)
            n_samples += len(samples)
    if parts:
        yield SoundBlock(_joined(parts), rate_hz)


def _joined(parts: list[Float32]) -> Float32:
    """Concatenates parts; a single part is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
