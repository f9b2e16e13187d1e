"""The form of POST /localize: the documentation of its fields, and the function that reads them."""

import re
from dataclasses import dataclass
from typing import Annotated, BinaryIO, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from service.answer import CurveFormat, Curves
from service.api.form import Form, FormLimits
from service.core.errors import ParameterInvalid
from service.core.postprocessing import MAX_DURATION_S, MAX_MEDIAN_FILTER_S, MIN_EXTENT_RATIO
from service.core.request_errors import ClipUnclear, FieldRepeated
from service.engine.clip import Clip, KnownClip, Upload
from service.formats.registry import FormatName
from service.settings import Settings

REPEATABLE = ("query", "like", "unlike")
DEFAULT_CURVES: Curves = "score"
DEFAULT_CURVE_FORMAT: CurveFormat = "json"
NUMBERS = ("threshold", "threshold_off", "median_filter_s", "extent_ratio", "min_duration_s", "merge_gap_s")

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MAX_SHOWN_CHARS = 40
Choice = TypeVar("Choice")
_MAX_UTF8_BYTES_PER_CHAR = 4
_SHORTEST_TEXT_LIMIT_BYTES = 256

_Ratio = Annotated[float, Field(ge=MIN_EXTENT_RATIO, le=1)] | SkipJsonSchema[None]
_Score = Annotated[float, Field(ge=0, le=1)] | SkipJsonSchema[None]
_FilterWidth = Annotated[float, Field(ge=0, le=MAX_MEDIAN_FILTER_S)] | SkipJsonSchema[None]
_Seconds = Annotated[float, Field(ge=0, le=MAX_DURATION_S)] | SkipJsonSchema[None]


class LocalizeForm(BaseModel):
    """Exactly one of `audio` and `clip_id`, at least one `query` or `like`, and values that replace the model's defaults."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    audio: Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})] | SkipJsonSchema[None] = None
    """Audio file of the clip: WAV, FLAC, MP3, Ogg, M4A or MP4, WebM, AAC, AIFF and others, at any common sample rate. Tags
    and other bytes in front of the sound are skipped. Channels are averaged. `GET /info` lists all formats and limits."""

    clip_id: str | SkipJsonSchema[None] = None
    """Identifier of an earlier clip, sent instead of `audio`: the `clip.id` of its answer. The service accepts the
    identifier while the embeddings of the clip are cached."""

    query: list[Annotated[str, Field(min_length=1)]] = Field([], examples=[["a dog barks", "rain on a roof"]])
    """Description of a sound in plain words. Repeat the field to search for several sounds in one request. At least one is
    needed, unless there is a `like`."""

    like: list[Annotated[str, Field(min_length=1)]] = Field(
        [], examples=[["2f1c0f3e5b0d4c0a9a8e7d6c5b4a3f2e@12.4-13.1"]]
    )
    """Example of the sound: the id of an earlier clip or of a recording of the library, and from when to when the sound is heard
    in it, in seconds. Repeat the field for several examples, which together are one query. At most one `query` may be given
    beside it, which the examples refine."""

    unlike: list[Annotated[str, Field(min_length=1)]] = []
    """Stretch in which the sound is not heard, in the form of `like` and only together with it. Repeat the field for several."""

    threshold: _Score = None
    """Score above which a segment starts, 0 to 1. Default: the calibrated threshold of the model."""

    threshold_off: _Score = None
    """Score above which a segment continues, 0 to `threshold`. If only `threshold` is given, `threshold_off` keeps the
    ratio to it that the model's defaults have."""

    median_filter_s: _FilterWidth = None
    """Width of the median filter that smooths the score, in seconds, 0 to 5; 0 disables the filter."""

    extent_ratio: _Ratio = None
    """Extends each segment from its peak outwards while the smoothed score stays above this fraction of the threshold,
    0.1 to 1; 1 disables the extension. The extension raises the returned `score` curve. A model may compare odds instead of
    scores, and extend short peaks less: see `defaults` in `GET /info`."""

    min_duration_s: _Seconds = None
    """Minimum duration of a segment, in seconds; shorter segments are dropped."""

    merge_gap_s: _Seconds = None
    """Maximum gap between two segments that are merged into one segment, in seconds."""

    curves: Curves = DEFAULT_CURVES
    """Curves to include in each result: the calibrated `score`, the raw `similarity`, `both` or `none`."""

    curve_format: CurveFormat = DEFAULT_CURVE_FORMAT
    """Encoding of the curves: `json` for arrays of numbers, `base64` for little-endian 32-bit floats in base64."""

    format: FormatName | SkipJsonSchema[None] = None
    """Format of the answer: `json`, `ndjson` (a line for each query), `csv`, `dcase` (event list), `audacity` (label track),
    `raven` (selection table), `webvtt`, `srt` or `jams`. Only the first two have curves. Default: chosen by the `Accept`
    header, and `json` if the header leaves the choice."""


@dataclass(frozen=True, slots=True)
class LocalizeRequest:
    """The content of one request.

    Attributes:
        clip: An upload, or a clip that was uploaded earlier.
        queries: The queries as received; not yet validated.
        overrides: Post-processing values that replace the model's defaults, by name; not yet validated.
        curves: Curves to include in the answer.
        curve_format: Encoding of the curves.
        format: Format of the answer; None if the Accept header decides.
        like: Examples in which the sound is heard; not yet validated.
        unlike: Examples in which it is not; not yet validated.
    """

    clip: Clip
    queries: tuple[str, ...]
    overrides: dict[str, float]
    curves: Curves
    curve_format: CurveFormat
    format: FormatName | None = None
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()


def form_limits(settings: Settings) -> FormLimits:
    """Limits of the form under an operator's settings."""
    texts = tuple(name for name in LocalizeForm.model_fields if name != "audio")
    return FormLimits(
        file_field="audio",
        text_fields=texts,
        max_file_bytes=settings.max_upload_bytes,
        max_text_bytes=max(_SHORTEST_TEXT_LIMIT_BYTES, _MAX_UTF8_BYTES_PER_CHAR * settings.max_query_chars),
        max_fields=2 * settings.max_queries + len(LocalizeForm.model_fields),
    )


def read_localize_form(form: Form) -> LocalizeRequest:
    """Validates and converts the fields of a form.

    Raises:
        ClipUnclear: If the form holds neither or both of audio and clip_id.
        FieldRepeated: If a field other than query, like and unlike is repeated.
        ParameterInvalid: If a numeric field is not a decimal number, or a choice is not one of the accepted values.
    """
    for name, values in form.texts.items():
        if name not in REPEATABLE and len(values) > 1:
            raise FieldRepeated(name)
    single = {name: values[0] for name, values in form.texts.items()}
    return LocalizeRequest(
        clip=_clip(form.file, single.get("clip_id")),
        queries=tuple(form.texts.get("query", ())),
        overrides={name: _number(name, single[name].strip()) for name in NUMBERS if name in single},
        curves=_choice("curves", single.get("curves", DEFAULT_CURVES).strip(), get_args(Curves)),
        curve_format=_choice(
            "curve_format", single.get("curve_format", DEFAULT_CURVE_FORMAT).strip(), get_args(CurveFormat)
        ),
        format=_choice("format", single["format"].strip(), get_args(FormatName)) if "format" in single else None,
        like=tuple(form.texts.get("like", ())),
        unlike=tuple(form.texts.get("unlike", ())),
    )


def _clip(file: BinaryIO | None, clip_id: str | None) -> Clip:
    if file is not None and clip_id is None:
        return Upload(file)
    if file is None and clip_id is not None:
        return KnownClip(clip_id)
    raise ClipUnclear("neither audio nor clip_id" if file is None else "both audio and clip_id")


def _number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ParameterInvalid(name, _quoted(text), "a number in decimal digits, such as 0.5")
    return float(text)


def _choice(name: str, text: str, choices: tuple[Choice, ...]) -> Choice:
    for choice in choices:
        if text == choice:
            return choice
    raise ParameterInvalid(name, _quoted(text), ", ".join(map(str, choices)))


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}...")
