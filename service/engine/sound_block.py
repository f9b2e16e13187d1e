"""Decoded sound as the readers pass it on: samples of all channels with their sample rate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class SoundBlock:
    """A stretch of decoded sound.

    Attributes:
        samples: Samples of all channels, shape (N, C); full scale is [-1, 1].
        rate_hz: Sample rate.
    """

    samples: NDArray[np.float32]
    rate_hz: int
