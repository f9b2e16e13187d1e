"""The options of a request: post-processing and curves."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

Curves = Literal["score", "similarity", "both", "none"]
AnswerFormat = Literal["json", "ndjson", "csv", "dcase", "audacity", "raven", "webvtt", "srt", "jams"]
_NUMBERS = ("threshold", "threshold_off", "median_filter_s", "extent_ratio", "min_duration_s", "merge_gap_s")


class Options(TypedDict, total=False):
    """The options of a request. A missing option, or None, stands for the default of the service.

    Attributes:
        rate_hz: Sample rate of a clip that is an array of samples, in Hz.
        threshold: Score above which a segment starts, 0 to 1.
        threshold_off: Score above which a segment continues, 0 to `threshold`.
        median_filter_s: Width of the median filter that smooths the score, in seconds.
        extent_ratio: Extends a segment while the score stays above this fraction of the threshold (or of its odds), 0.1 to 1.
        min_duration_s: Minimum duration of a segment, in seconds.
        merge_gap_s: Maximum gap between two segments that are merged, in seconds.
        curves: Curves in the answer: "score", "similarity", "both" or "none".
    """

    rate_hz: int | None
    threshold: float | None
    threshold_off: float | None
    median_filter_s: float | None
    extent_ratio: float | None
    min_duration_s: float | None
    merge_gap_s: float | None
    curves: Curves | None


def form_fields(queries: str | Sequence[str], options: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """The text fields of a request.

    Raises:
        TypeError: If an option is unknown or a query is no text.
        ValueError: If an option is no number.
    """
    texts = [queries] if isinstance(queries, str) else list(queries)
    for query in texts:
        if not isinstance(query, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no type checker
            raise TypeError(f"a query is of type {type(query).__name__}; accepted: str")
    unknown = set(options) - set(Options.__annotations__)
    if unknown:
        raise TypeError(
            f"unknown options: {', '.join(sorted(unknown))}; accepted: {', '.join(Options.__annotations__)}"
        )
    fields: dict[str, str | list[str]] = {"query": texts, "curve_format": "base64"}
    fields |= {name: repr(float(options[name])) for name in _NUMBERS if options.get(name) is not None}
    if options.get("curves") is not None:
        fields["curves"] = str(options["curves"])
    return fields
