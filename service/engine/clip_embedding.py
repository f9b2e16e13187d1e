"""The embedding of a clip, in the precision in which it is scored and cached."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.half_precision import to_single
from service.core.warnings import AnswerWarning

NORM_TOLERANCE = 0.02
"""Largest deviation of a frame's norm from 1: 0.01 that an audio encoder may have, and less than 0.001 by half precision."""
_FRAMES_AT_A_TIME = 4096


@dataclass(frozen=True, slots=True, eq=False)
class ClipEmbedding:
    """Frame embeddings of a clip in half precision, 2 bytes a number.

    A clip is always scored from half precision, also when it has just been embedded, so the answer does not depend on
    whether the embedding came from a cache.

    A score may change by at most 0.01 through the storage format. Two tests measured the largest change: 12,000 random
    unit-norm frames of 256 numbers (normal, Laplacian or much more peaked) against 300 queries at scale 25, and the
    packaged model on the demo recording. Half precision changes a similarity by at most 0.0003 in the first test, and so
    a score by at most 0.0015; in the second, a score changes by at most 0.00015. One byte a number, with a scale for each
    frame, would halve the memory, but changes a score by up to 0.037 and 0.006 in the two tests.

    Attributes:
        stored: Unit-norm frame embeddings, shape (T, D); made read-only on construction.
        duration_s: Length of the clip, in seconds; the clip ends in frame T - 1.
        warnings: Faults that were noticed when the clip was decoded.

    Raises:
        ValueError: On construction, if the frames have another shape or type.
    """

    stored: NDArray[np.float16]
    duration_s: float
    warnings: tuple[AnswerWarning, ...] = ()

    def __post_init__(self) -> None:
        if self.stored.ndim != 2 or self.stored.dtype != np.float16:
            raise ValueError(f"stored frames are float16 (T, D), not {self.stored.dtype} {self.stored.shape}")
        self.stored.flags.writeable = False

    @property
    def n_bytes(self) -> int:
        """Size of the stored frames, in bytes."""
        return self.stored.nbytes

    def is_sound(self) -> bool:
        """Whether all frames are finite and have norm 1, within `NORM_TOLERANCE`."""
        for begin in range(0, len(self.stored), _FRAMES_AT_A_TIME):
            frames = to_single(self.stored[begin : begin + _FRAMES_AT_A_TIME])  # (F, D)
            squares = np.einsum("td,td->t", frames, frames)
            if not (np.abs(np.sqrt(squares) - 1) <= NORM_TOLERANCE).all():  # false also for NaN
                return False
        return True
