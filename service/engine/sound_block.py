"""Decoded sound as the readers pass it on: samples of all channels with their sample rate."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_MERGED_SAMPLES = 1 << 13


@dataclass(frozen=True, slots=True, eq=False)
class SoundBlock:
    """A stretch of decoded sound.

    Attributes:
        samples: Samples of all channels, shape (N, C); full scale is [-1, 1].
        rate_hz: Sample rate.
    """

    samples: NDArray[np.float32]
    rate_hz: int


def merged(blocks: Iterator[SoundBlock]) -> Iterator[SoundBlock]:
    """Joins the short blocks of a codec, because every block has a cost."""
    parts: list[Float32] = []
    rate_hz, n_samples = 0, 0
    for block in blocks:
        if parts and (block.rate_hz != rate_hz or block.samples.shape[1] != parts[0].shape[1]):
            yield SoundBlock(np.concatenate(parts), rate_hz)
            parts, n_samples = [], 0
        parts.append(block.samples)
        rate_hz = block.rate_hz
        n_samples += len(block.samples)
        if n_samples >= _MERGED_SAMPLES:
            yield SoundBlock(np.concatenate(parts), rate_hz)
            parts, n_samples = [], 0
    if parts:
        yield SoundBlock(np.concatenate(parts), rate_hz)
