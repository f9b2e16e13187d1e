"""Extension of score curves: the frames around each peak are raised to it, so that a segment covers its whole sound."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
ExtentScale = Literal["score", "odds"]

_CHUNK_VALUES = 1 << 13  # values that are extended in one step: intermediate results stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Extension:
    """How far peaks are extended.

    A run of frames whose extended scores are above a threshold t is a run whose scores before extension were above
    `ratio` * t, at least one of them above t: a cut at any threshold gives the runs of frames that hysteresis gives. With the
    scale "odds", the odds of these scores, score / (1 - score), were above `ratio` times the odds of t, so that runs at high
    thresholds reach less far.

    A run above t that is shorter than `core_frames` is a short peak, and reaches as far as `short_ratio` allows. The curve of
    a short sound falls more slowly than the sound, and `ratio` alone would make its segment too long.

    Attributes:
        ratio: Above 0 and at most 1; 1 leaves the curves unchanged.
        scale: What the ratios apply to.
        core_frames: Peaks above a threshold for fewer frames are short; 0 if no peak counts as short.
        short_ratio: The ratio of short peaks; `ratio` to 1.

    Raises:
        ValueError: On construction, if a ratio is outside its range, or that of short peaks is the lower one.
    """

    ratio: float
    scale: ExtentScale = "score"
    core_frames: int = 0
    short_ratio: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.ratio <= self.short_ratio <= 1:
            accepted = "0 < extent ratio <= extent ratio of short peaks <= 1"
            raise ValueError(f"the extent ratios are {self.ratio} and {self.short_ratio}; accepted: {accepted}")

    def ceiling(self, scores: Float32) -> Float32:
        """The highest score that the extension can give to frames with these scores; any shape."""
        return self._ceiling(scores, self.ratio)

    def extend(self, curves: Float32) -> Float32:
        """Raises the frames around each peak.

        The extension is the grayscale reconstruction by dilation (Vincent 1993, IEEE TIP 2(2)) of a curve under its ceiling.
        The short peaks are those that the opening by `core_frames` removes from the curve.

        Args:
            curves: Scores in [0, 1], shape (Q, T).

        Returns:
            Curves with the same maxima, nowhere lower than before, shape (Q, T).
        """
        if self.ratio == 1:
            return curves.copy()
        extended = np.empty_like(curves)
        values = curves.shape[1] * (2 if self.core_frames else 1)
        rows = max(1, _CHUNK_VALUES // max(1, values))
        for begin in range(0, len(curves), rows):
            levels = np.ascontiguousarray(curves[begin : begin + rows].T)  # (T, rows)
            extended[begin : begin + rows] = self._extend(levels).T
        return extended

    def _extend(self, levels: Float32) -> Float32:
        """Extends curves (T, Q)."""
        if not self.core_frames:
            return _reconstruct(levels, self._ceiling(levels, self.ratio))
        marked = np.concatenate([_opening(levels, self.core_frames), levels], axis=1)  # (T, 2 * Q)
        ceilings = [self._ceiling(levels, ratio) for ratio in (self.ratio, self.short_ratio)]
        reached, n_curves = _reconstruct(marked, np.concatenate(ceilings, axis=1)), levels.shape[1]
        return np.maximum(reached[:, :n_curves], reached[:, n_curves:])  # from the cores, and from all peaks

    def _ceiling(self, scores: Float32, ratio: float) -> Float32:
        single = np.float32(ratio)
        if self.scale == "score":
            return scores / single
        return np.maximum(scores / (single + (1 - single) * scores), scores)  # rounding must not lower a score


def _reconstruct(levels: Float32, ceiling: Float32) -> Float32:
    """Carries levels (T, Q) to both sides, but nowhere above the ceiling."""
    return _carry(_carry(levels, ceiling)[::-1], ceiling[::-1])[::-1]


def _carry(levels: Float32, ceiling: Float32) -> Float32:
    """Carries levels (T, Q) forward, y[t] = clip(y[t - 1], levels[t], ceiling[t]), in steps of doubling length."""
    low, high = levels.copy(), ceiling.copy()
    step = 1
    while step < len(low):  # two clips in sequence are equal to a single clip
        low[step:], high[step:] = (
            np.minimum(np.maximum(earlier[:-step], low[step:]), high[step:]) for earlier in (low, high)
        )
        step *= 2
    return low


def _opening(levels: Float32, width: int) -> Float32:
    """Lowers what is above a level for fewer than `width` frames to that level: the opening of curves (T, Q)."""
    if width > len(levels):
        return np.zeros_like(levels)
    lowest = _sliding(np.minimum, levels, width)  # (T - width + 1, Q)
    beyond = np.zeros((width - 1, levels.shape[1]), np.float32)
    return _sliding(np.maximum, np.concatenate([beyond, lowest, beyond]), width)


def _sliding(extremum: Callable[[Float32, Float32], Float32], levels: Float32, width: int) -> Float32:
    """The lowest or highest value of each window of frames, (T - width + 1, Q), from (T, Q), in steps of doubling length."""
    reached = 1
    while reached < width:
        step = min(reached, width - reached)
        levels = extremum(levels[:-step], levels[step:])
        reached += step
    return levels
