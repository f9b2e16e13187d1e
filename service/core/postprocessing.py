"""The settings with which score curves become segments, and their ranges."""

import math
from dataclasses import dataclass, replace
from typing import get_args

from service.core.errors import ParameterInvalid
from service.core.extension import Extension, ExtentScale
from service.core.frame_grid import FrameGrid

MAX_MEDIAN_FILTER_S = 5.0
MAX_DURATION_S = 3600.0
MIN_EXTENT_RATIO = 0.1
MAX_CORE_S = 5.0


@dataclass(frozen=True, slots=True)
class Postprocessing:
    """The settings with which score curves become segments.

    The score curve is smoothed by the median filter and extended by the extent ratios. Then it is cut into segments,
    close segments are merged, and short segments are dropped.

    Attributes:
        threshold: A segment contains a score above this value; 0 to 1.
        threshold_off: A segment ends where the score falls to this value or below; 0 to `threshold`.
        median_filter_s: Width of the median filter that smooths the score, in seconds; 0 to 5 s. 0 disables the filter.
        extent_ratio: Extends each segment from its peak outwards while the smoothed score stays above this fraction of
            the threshold, or its odds above this fraction of the threshold's; 0.1 to 1. 1 disables the extension. The score
            curve itself is extended, so that the fraction holds for every threshold; see `service.core.extension`.
        min_duration_s: Segments shorter than this are dropped; 0 to 3600 s.
        merge_gap_s: Segments at most this far apart are merged; 0 to 3600 s.
        extent_scale: Whether the extent ratios are fractions of the threshold ("score") or of its odds, threshold /
            (1 - threshold) ("odds"), which the odds of the smoothed score are compared with.
        core_s: Peaks that are above a threshold for a shorter time are short at this threshold; 0 to 5 s. 0 if no peak counts
            as short.
        short_extent_ratio: Stands for the extent ratio in short peaks, unless the extent ratio is higher; 0.1 to 1.

    Raises:
        ParameterInvalid: On construction, if a value is outside its range.
    """

    threshold: float
    threshold_off: float
    median_filter_s: float
    extent_ratio: float
    min_duration_s: float
    merge_gap_s: float
    extent_scale: ExtentScale = "score"
    core_s: float = 0.0
    short_extent_ratio: float = 1.0

    def __post_init__(self) -> None:
        _check("threshold", self.threshold, 1.0)
        _check("threshold_off", self.threshold_off, 1.0)
        _check("median_filter_s", self.median_filter_s, MAX_MEDIAN_FILTER_S, "s")
        _check("extent_ratio", self.extent_ratio, 1.0, smallest=MIN_EXTENT_RATIO)
        _check("min_duration_s", self.min_duration_s, MAX_DURATION_S, "s")
        _check("merge_gap_s", self.merge_gap_s, MAX_DURATION_S, "s")
        _check("core_s", self.core_s, MAX_CORE_S, "s")
        _check("short_extent_ratio", self.short_extent_ratio, 1.0, smallest=MIN_EXTENT_RATIO)
        if self.extent_scale not in get_args(ExtentScale):
            raise ParameterInvalid("extent_scale", repr(self.extent_scale), " or ".join(get_args(ExtentScale)))
        if self.threshold_off > self.threshold:
            accepted = f"0 to the threshold, {self.threshold!r}"
            raise ParameterInvalid("threshold_off", f"{self.threshold_off!r}", accepted)

    def extension(self, grid: FrameGrid) -> Extension:
        """How far peaks are extended on a grid."""
        short_ratio = max(self.short_extent_ratio, self.extent_ratio)
        return Extension(self.extent_ratio, self.extent_scale, grid.frames_for(self.core_s), short_ratio)

    def override(
        self,
        *,
        threshold: float | None = None,
        threshold_off: float | None = None,
        median_filter_s: float | None = None,
        extent_ratio: float | None = None,
        min_duration_s: float | None = None,
        merge_gap_s: float | None = None,
    ) -> "Postprocessing":
        """Returns these settings with some values replaced; None keeps a value.

        The last three settings belong to the model and stay.
        If `threshold` is replaced and `threshold_off` is not, `threshold_off` keeps its ratio to `threshold`.

        Raises:
            ParameterInvalid: If a value is outside its range.
        """
        replacements = {
            "threshold": threshold,
            "threshold_off": threshold_off,
            "median_filter_s": median_filter_s,
            "extent_ratio": extent_ratio,
            "min_duration_s": min_duration_s,
            "merge_gap_s": merge_gap_s,
        }
        changed = {name: value for name, value in replacements.items() if value is not None}
        if threshold is not None and threshold_off is None:
            ratio = self.threshold_off / self.threshold if self.threshold > 0 else 1.0
            changed["threshold_off"] = min(threshold * ratio, threshold)
        return replace(self, **changed)


def _check(name: str, value: float, largest: float, unit: str = "", smallest: float = 0.0) -> None:
    if not (math.isfinite(value) and smallest <= value <= largest):
        raise ParameterInvalid(name, f"{value!r} {unit}".strip(), f"{smallest:g} to {largest:g} {unit}".strip())
