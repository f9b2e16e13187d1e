"""The form of POST /localize: its fields as documented, and how they are read."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from service.answer import CurveFormat, Curves
from service.api.form import Form, FormLimits
from service.core.errors import ClipUnclear, FieldRepeated, ParameterInvalid
from service.core.postprocessing import MIN_EXTENT_RATIO
from service.engine.clip import Clip, KnownClip, Upload
from service.settings import Settings

DEFAULT_CURVES: Curves = "score"
DEFAULT_CURVE_FORMAT: CurveFormat = "json"
NUMBERS = ("threshold", "threshold_off", "median_filter_s", "extent_ratio", "min_duration_s", "merge_gap_s")

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SHOWN_CHARS = 40
Choice = TypeVar("Choice")
_MAX_UTF8_BYTES_PER_CHAR = 4
_SHORTEST_TEXT_LIMIT_BYTES = 256

_Share = Annotated[float, Field(ge=MIN_EXTENT_RATIO, le=1)] | SkipJsonSchema[None]
_Level = Annotated[float, Field(ge=0, le=1)] | SkipJsonSchema[None]
_Seconds = Annotated[float, Field(ge=0)] | SkipJsonSchema[None]


class LocalizeForm(BaseModel):
    """Exactly one of audio and clip_id, at least one query, and what is to differ from the model's defaults."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    audio: Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})] | SkipJsonSchema[None] = None
    """The clip: WAV, FLAC, Ogg, MP3 or AIFF, at any usual rate; channels are mixed. `GET /info` has the limits."""

    clip_id: str | SkipJsonSchema[None] = None
    """Instead of audio: the `clip.id` of an earlier answer, as long as the service remembers that clip."""

    query: list[str] = Field(min_length=1, examples=[["a dog barks", "rain on a roof"]])
    """A sound in plain words; repeat the field to ask for several at once."""

    threshold: _Level = None
    """A segment has a score above it. The model's calibrated default if not given."""

    threshold_off: _Level = None
    """A segment ends where the score is not above it; at most `threshold`, and in proportion to it if not given."""

    median_filter_s: _Seconds = None
    """Width in seconds of the median filter that smooths the score; 0 for none."""

    extent_ratio: _Share = None
    """A sound reaches as far as its score stays above this share of the threshold, for which it is raised; 1 for none."""

    min_duration_s: _Seconds = None
    """Shorter segments are dropped; in seconds."""

    merge_gap_s: _Seconds = None
    """Segments with at most this gap between them become one; in seconds."""

    curves: Curves = DEFAULT_CURVES
    """Which curves come with each result: the calibrated `score`, the raw `similarity`, `both` or `none`."""

    curve_format: CurveFormat = DEFAULT_CURVE_FORMAT
    """How they come: `json` for arrays of numbers, `base64` for little-endian 32-bit floats in base64."""


@dataclass(frozen=True, slots=True)
class LocalizeRequest:
    """What a client asks for.

    Attributes:
        clip: An upload, or a clip that was uploaded earlier.
        queries: As they came; not yet checked.
        overrides: Post-processing values that are to differ from the model's defaults, by name; not yet checked.
        curves: Which curves are wanted.
        curve_format: How they are wanted.
    """

    clip: Clip
    queries: tuple[str, ...]
    overrides: dict[str, float]
    curves: Curves
    curve_format: CurveFormat


def form_limits(settings: Settings) -> FormLimits:
    """What the form may hold under an operator's settings."""
    texts = tuple(name for name in LocalizeForm.model_fields if name != "audio")
    return FormLimits(
        file_field="audio",
        text_fields=texts,
        max_file_bytes=settings.max_upload_bytes,
        max_text_bytes=max(_SHORTEST_TEXT_LIMIT_BYTES, _MAX_UTF8_BYTES_PER_CHAR * settings.max_query_chars),
        max_fields=2 * settings.max_queries + len(LocalizeForm.model_fields),
    )


def read_localize_form(form: Form) -> LocalizeRequest:
    """Reads the fields of a form.

    Raises:
        ClipUnclear: If neither or both of audio and clip_id came.
        FieldRepeated: If a field other than query came again.
        ParameterInvalid: If a number is none, or a choice is not on offer.
    """
    for name, values in form.texts.items():
        if name != "query" and len(values) > 1:
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
    )


def _clip(file: BinaryIO | None, clip_id: str | None) -> Clip:
    if file is not None and clip_id is None:
        return Upload(file)
    if file is None and clip_id is not None:
        return KnownClip(clip_id)
    raise ClipUnclear("neither audio nor clip_id" if file is None else "both audio and clip_id")


def _number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ParameterInvalid(name, _shown(text), "a number in decimal digits, such as 0.5")
    return float(text)


def _choice(name: str, text: str, choices: tuple[Choice, ...]) -> Choice:
    for choice in choices:
        if text == choice:
            return choice
    raise ParameterInvalid(name, _shown(text), ", ".join(map(str, choices)))


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}...")


def request_body() -> dict[str, Any]:
    """The form as OpenAPI documents it."""
    content = {
        "schema": LocalizeForm.model_json_schema(),
        "encoding": {"query": {"style": "form", "explode": True}},
    }
    return {"required": True, "content": {"multipart/form-data": content}}
