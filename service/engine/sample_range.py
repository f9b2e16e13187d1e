"""Decides how samples far outside [-1, 1] are brought back, as in float recordings that were never scaled."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HIGHEST_PEAK = 2.0
"""Peak up to which samples stay as they are: lossy codecs and loud mixes exceed 1 a little."""
_INTEGER_SCALES = (2.0**15, 2.0**23, 2.0**31)
_LOUDEST_MIX = 64.0
"""Peak up to which samples count as a loud mix of floats, not as integers."""
_UNSCALED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class SampleRange:
    """How far the samples of a clip reach.

    Attributes:
        peak: Largest absolute sample.
        share_beyond: Fraction of the samples other than zero that lie outside [-1, 1].
    """

    peak: float
    share_beyond: float

    @property
    def divisor(self) -> float:
        """Number by which all samples are divided; 1 if they stay as they are.

        Samples are divided if the peak exceeds 2 and at least a tenth of the samples lies outside [-1, 1]; a few stray
        samples must not make a whole clip silent. A peak up to 64 is a loud mix of floats and is scaled to 1. A higher
        peak comes from integers that were converted to floats without scaling: the divisor is the full scale of the
        smallest common integer format (2^15, 2^23 or 2^31) that brings the peak to at most 2.
        """
        if self.peak <= HIGHEST_PEAK or self.share_beyond < _UNSCALED_SHARE:
            return 1.0
        if self.peak <= _LOUDEST_MIX:
            return self.peak
        return next((scale for scale in _INTEGER_SCALES if self.peak <= HIGHEST_PEAK * scale), self.peak)


def sample_range(blocks: Iterable[NDArray[np.float32]]) -> SampleRange:
    """Measures the range of samples, whatever the shapes of the blocks are."""
    peak, n_beyond, n_nonzero = 0.0, 0, 0
    for block in blocks:
        if block.size == 0:
            continue
        block_peak = max(float(block.max()), -float(block.min()))
        peak = max(peak, block_peak)
        n_nonzero += block.size - int(np.count_nonzero(block == 0))  # several times as fast as counting floats
        if block_peak > 1:
            n_beyond += int(np.count_nonzero(np.abs(block) > 1))
    return SampleRange(peak, n_beyond / max(1, n_nonzero))
