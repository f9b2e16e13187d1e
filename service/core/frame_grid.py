"""Conversion between seconds, samples and frames of a model."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOLERANCE_S = 1e-6
_TOLERANCE_FRAMES = 1e-6


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """Frames of a fixed length: frame i covers samples [i * hop_samples, (i + 1) * hop_samples).

    Attributes:
        sample_rate_hz: Sample rate of the waveform that the model takes, in Hz.
        hop_samples: Samples per frame.
    """

    sample_rate_hz: int
    hop_samples: int

    def __post_init__(self) -> None:
        if self.sample_rate_hz < 1 or self.hop_samples < 1:
            raise ValueError(f"a frame grid needs a positive rate and hop, not {self}")

    @property
    def hop_s(self) -> float:
        """Time between frames, in seconds."""
        return self.hop_samples / self.sample_rate_hz

    def n_frames(self, n_samples: int) -> int:
        """Number of frames that cover `n_samples` samples; the last frame may be only partly filled."""
        return -(-n_samples // self.hop_samples)

    def n_samples(self, n_frames: int) -> int:
        """Number of samples in `n_frames` frames."""
        return n_frames * self.hop_samples

    def samples_for(self, seconds: float) -> int:
        """Number of samples in `seconds`, rounded to the nearest."""
        return round(seconds * self.sample_rate_hz)

    def duration_s(self, n_samples: int) -> float:
        """Length of `n_samples` samples, in seconds."""
        return n_samples / self.sample_rate_hz

    def frames_for(self, seconds: float) -> int:
        """Number of whole frames in `seconds`, rounded down."""
        return self.samples_for(seconds) // self.hop_samples

    def odd_frames_for(self, seconds: float) -> int:
        """Odd number of frames nearest to `seconds`, at least 1: the width of a centred filter."""
        return 2 * (self.samples_for(seconds) // (2 * self.hop_samples)) + 1

    def frames_touched(self, onset_s: float, offset_s: float) -> tuple[int, int]:
        """First frame that the time [onset_s, offset_s) touches, and the frame after the last touched frame.

        These are floor(onset / hop) and ceil(offset / hop) with a tolerance: an onset or offset that rounding moved
        slightly past the boundary between two frames does not touch another frame. At least one frame is touched.
        """
        first = math.floor(onset_s / self.hop_s + _TOLERANCE_FRAMES)
        end = math.ceil(offset_s / self.hop_s - _TOLERANCE_FRAMES)
        return first, max(end, first + 1)

    def edges(self, n_frames: int, duration_s: float) -> NDArray[np.float64]:
        """Boundaries of the frames in seconds, shape (T + 1,). The last boundary is the end of the clip.

        Args:
            n_frames: T, the number of frames.
            duration_s: Length of the clip, which ends in frame T - 1.

        Raises:
            ValueError: If the clip does not end in the last frame.
        """
        edges = np.arange(n_frames + 1) * self.hop_samples / self.sample_rate_hz
        last_begins_s = edges[-2] if n_frames else -_TOLERANCE_S
        if not last_begins_s < duration_s <= edges[-1] + _TOLERANCE_S:
            raise ValueError(f"{n_frames} frames of {self.hop_s} s do not end with a clip of {duration_s} s")
        edges[-1] = duration_s
        return edges
