"""Encoder of answers as JSON, which writes curves directly from numpy arrays, without a Python object per number.

The other formats have no curves; `service.formats` writes them.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from service.core.localization import GroupedResults, QueryResult
from service.core.manifest import Manifest
from service.core.segments import Segment
from service.core.warnings import AnswerWarning
from service.engine.interface import Localization
from service.formats.document import Document, detections_of

Curves = Literal["score", "similarity", "both", "none"]
CurveFormat = Literal["json", "base64"]

_SECONDS_DECIMALS = 6  # a sample at 16 kHz lasts 62.5 us, so durations and segment edges stay exact
SCORE_DECIMALS = 6  # enough to keep the order of low scores, which evaluation over many thresholds needs
SIMILARITY_DECIMALS = 5


def encode_answer(
    localization: Localization, manifest: Manifest, curves: Curves, curve_format: CurveFormat = "json"
) -> bytes:
    """Encodes the answer of POST /localize and of `earmark localize --json`.

    Args:
        localization: The result of the engine.
        manifest: The manifest of the model.
        curves: Curves to include.
        curve_format: Encoding of the curves.

    Returns:
        JSON in UTF-8.
    """
    return b"".join(encode_answer_in_parts(localization, manifest, curves, curve_format))


def encode_answer_in_parts(
    localization: Localization, manifest: Manifest, curves: Curves, curve_format: CurveFormat = "json"
) -> Iterator[bytes]:
    """Encodes the same answer as `encode_answer`, and yields it in parts: one for each result, and one at each end.

    Each result is taken from `localization.results` when its part is made, and kept no longer.
    """
    yield orjson.dumps(_head(localization, manifest))[:-1] + b',"results":['
    separator = b""
    for result, clip_score in _with_rounded_scores(localization.results):
        yield separator + _encode_result(result, clip_score, curves, curve_format)
        separator = b","
    yield b"]}"


def encode_lines(
    localization: Localization, manifest: Manifest, curves: Curves, curve_format: CurveFormat = "json"
) -> Iterator[bytes]:
    """Encodes the answer as NDJSON, and yields one line for each result, with the members of the answer and the result.

    Each result is taken from `localization.results` when its line is made, and kept no longer.
    """
    head = orjson.dumps(_head(localization, manifest))[:-1]
    for result, clip_score in _with_rounded_scores(localization.results):
        yield head + b"," + _encode_result(result, clip_score, curves, curve_format)[1:] + b"\n"


def document_of(
    localization: Localization, manifest: Manifest, name: str, results: Iterable[QueryResult] | None = None
) -> Document:
    """The content of an answer for formats without curves.

    Args:
        localization: The result of the engine.
        manifest: The manifest of the model.
        name: Name of the clip.
        results: The results, if they are not to be taken from `localization`.
    """
    return Document(
        name=name,
        clip_id=localization.clip_id,
        duration_s=round(localization.duration_s, _SECONDS_DECIMALS),
        model=(manifest.name, manifest.version),
        highest_hz=manifest.sample_rate_hz / 2,
        detections=detections_of(localization.results if results is None else results),
    )


def _with_rounded_scores(results: Sequence[QueryResult]) -> Iterator[tuple[QueryResult, np.float32]]:
    """Yields each result with its rounded clip score. Results that are in memory already are rounded together."""
    if isinstance(results, GroupedResults):
        return ((result, np.float32(result.clip_score).round(SCORE_DECIMALS)) for result in results)
    clip_scores = np.array([result.clip_score for result in results], np.float32)
    return zip(results, clip_scores.round(SCORE_DECIMALS), strict=True)


def _encode_result(result: QueryResult, clip_score: np.float32, curves: Curves, curve_format: CurveFormat) -> bytes:
    return orjson.dumps(_result(result, clip_score, curves, curve_format), option=orjson.OPT_SERIALIZE_NUMPY)


def _head(localization: Localization, manifest: Manifest) -> dict[str, Any]:
    return {
        "clip": {
            "id": localization.clip_id,
            "duration_s": round(localization.duration_s, _SECONDS_DECIMALS),
            "cached": localization.cached,
            "warnings": [_warning(warning) for warning in localization.warnings],
        },
        "model": {"name": manifest.name, "version": manifest.version},
        "hop_s": manifest.grid.hop_s,
    }


def _result(result: QueryResult, clip_score: np.float32, curves: Curves, curve_format: CurveFormat) -> dict[str, Any]:
    members: dict[str, Any] = {"query": result.query, "warnings": [_warning(warning) for warning in result.warnings]}
    members |= {"present": result.present, "clip_score": clip_score}
    if curves in ("score", "both"):
        members["score"] = _curve(result.score, SCORE_DECIMALS, curve_format)
    if curves in ("similarity", "both"):
        members["similarity"] = _curve(result.similarity, SIMILARITY_DECIMALS, curve_format)
    members["segments"] = [segment_values(segment) for segment in result.segments]
    return members


def _warning(warning: AnswerWarning) -> dict[str, Any]:
    members: dict[str, Any] = {"code": warning.code, "message": warning.message}
    if warning.onset_s is not None and warning.offset_s is not None:
        members["onset_s"] = round(warning.onset_s, _SECONDS_DECIMALS)
        members["offset_s"] = round(warning.offset_s, _SECONDS_DECIMALS)
    return members


def _curve(values: NDArray[np.float32], decimals: int, curve_format: CurveFormat) -> NDArray[np.float32] | str:
    rounded = np.ascontiguousarray(values.round(decimals))  # (T,), contiguous, as orjson requires
    return rounded if curve_format == "json" else base64.b64encode(rounded.astype("<f4").tobytes()).decode()


def segment_values(segment: Segment) -> dict[str, float | np.float32]:
    """The values of a segment by name, rounded as in every output format."""
    return {
        "onset_s": round(segment.onset_s, _SECONDS_DECIMALS),
        "offset_s": round(segment.offset_s, _SECONDS_DECIMALS),
        "score": np.round(
            np.float32(segment.score), SCORE_DECIMALS
        ),  # rounded like the curve, so that the same number is in the curve
        "peak_s": round(segment.peak_s, _SECONDS_DECIMALS),
    }
