"""The numbers that turn a score curve into segments, and what each may be."""

import math
from dataclasses import asdict, dataclass

from service.core.errors import ParameterInvalid

MAX_MEDIAN_FILTER_S = 5.0
MAX_DURATION_S = 3600.0
MIN_EXTENT_RATIO = 0.1


@dataclass(frozen=True, slots=True)
class Postprocessing:
    """How a score curve becomes segments.

    Attributes:
        threshold: A segment has an extended score above it; 0 to 1.
        threshold_off: A segment ends where the extended score is not above it; 0 to `threshold`.
        median_filter_s: Width of the median filter over the score curve; 0 leaves the curve as it is; up to 5 s.
        extent_ratio: A sound reaches as far around its peak as the smoothed score stays above this share of the threshold:
            the curve is extended so that cutting it at any threshold shows that; 0.1 to 1, which leaves the curve as it is.
        min_duration_s: Shorter segments are dropped; up to 3600 s.
        merge_gap_s: Segments with at most this gap between them become one; up to 3600 s.

    Raises:
        ParameterInvalid: On construction, if a value is outside its range.
    """

    threshold: float
    threshold_off: float
    median_filter_s: float
    extent_ratio: float
    min_duration_s: float
    merge_gap_s: float

    def __post_init__(self) -> None:
        _check("threshold", self.threshold, 1.0)
        _check("threshold_off", self.threshold_off, 1.0)
        _check("median_filter_s", self.median_filter_s, MAX_MEDIAN_FILTER_S, "s")
        _check("extent_ratio", self.extent_ratio, 1.0, smallest=MIN_EXTENT_RATIO)
        _check("min_duration_s", self.min_duration_s, MAX_DURATION_S, "s")
        _check("merge_gap_s", self.merge_gap_s, MAX_DURATION_S, "s")
        if self.threshold_off > self.threshold:
            accepted = f"0 to the threshold, {self.threshold!r}"
            raise ParameterInvalid("threshold_off", f"{self.threshold_off!r}", accepted)

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
        """The same with the given values instead; None keeps a value.

        When only `threshold` is given, `threshold_off` keeps its ratio to it.

        Raises:
            ParameterInvalid: If a value is outside its range.
        """
        given = {
            "threshold": threshold,
            "threshold_off": threshold_off,
            "median_filter_s": median_filter_s,
            "extent_ratio": extent_ratio,
            "min_duration_s": min_duration_s,
            "merge_gap_s": merge_gap_s,
        }
        values = asdict(self) | {name: value for name, value in given.items() if value is not None}
        if threshold is not None and threshold_off is None:
            ratio = self.threshold_off / self.threshold if self.threshold > 0 else 1.0
            values["threshold_off"] = min(threshold * ratio, threshold)
        return Postprocessing(**values)


def _check(name: str, value: float, largest: float, unit: str = "", smallest: float = 0.0) -> None:
    if not (math.isfinite(value) and smallest <= value <= largest):
        raise ParameterInvalid(name, f"{value!r} {unit}".strip(), f"{smallest:g} to {largest:g} {unit}".strip())
