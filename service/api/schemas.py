"""Schemas of the answers, which OpenAPI publishes.

FastAPI validates and writes the small answers. The answer of POST /localize holds thousands of numbers, so
`service.answer` writes it, and its schema here is only documentation.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from service.core.extension import ExtentScale

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)


class SegmentOut(BaseModel):
    """A time interval in which the query is heard: [onset_s, offset_s)."""

    model_config = _DOCUMENTED

    onset_s: float = Field(examples=[3.24])
    """Start of the segment, in seconds from the start of the clip."""
    offset_s: float = Field(examples=[5.08])
    """End of the segment, in seconds; at most the duration of the clip."""
    score: float = Field(examples=[0.93], ge=0, le=1)
    """Highest score in the segment."""
    peak_s: float = Field(examples=[3.86])
    """Time of the highest score, in seconds: the middle of its frame."""


def is_none(value: object) -> bool:
    """Whether a value is None, and so left out of an answer."""
    return value is None


class WarningOut(BaseModel):
    """A fault of the clip or a property of the query that may make the answer incomplete or wrong."""

    model_config = _DOCUMENTED

    code: str = Field(examples=["sound-lost"])
    """Stable name of the kind of warning."""
    message: str
    """Explanation for people: what was noticed and what was done about it."""
    onset_s: float | SkipJsonSchema[None] = Field(None, examples=[18.88], exclude_if=is_none)
    """Start of the stretch that the warning is about, in seconds from the start of the clip. Absent if the warning is
    about the whole clip or about a query."""
    offset_s: float | SkipJsonSchema[None] = Field(None, examples=[19.14], exclude_if=is_none)
    """End of the stretch, in seconds. Absent if `onset_s` is absent."""


class ResultOut(BaseModel):
    """The result of one query."""

    model_config = _DOCUMENTED

    query: str = Field(examples=["a dog barks"])
    """The query as the client sent it."""
    warnings: list[WarningOut]
    """Properties of the query that may make the result wrong. Empty if there is nothing to report."""
    present: bool
    """Whether the query is heard anywhere in the clip: true if there is at least one segment. If the model allows for
    the length of the clip (`presence` in `GET /info`), a long clip also needs a segment with a score above a higher
    threshold."""
    clip_score: float = Field(examples=[0.93], ge=0, le=1)
    """Highest score in the clip."""
    score: list[float] | str | SkipJsonSchema[None] = Field(None, examples=[[0.02, 0.61, 0.93]])
    """Calibrated, smoothed and extended score of each frame, in [0, 1]. Segments are cut from this curve. Frame i
    covers [i * hop_s, (i + 1) * hop_s), and the last frame ends with the clip. Present only if `curves` is `score` or
    `both`; a string if `curve_format` is `base64`."""
    similarity: list[float] | str | SkipJsonSchema[None] = Field(None, examples=[[0.08, 0.37, 0.52]])
    """Raw cosine similarity of each frame, in [-1, 1]. Present only if `curves` is `similarity` or `both`; a string if
    `curve_format` is `base64`."""
    segments: list[SegmentOut]
    """Segments in which the query is heard: ordered by time, disjoint, inside the clip."""


class ClipOut(BaseModel):
    """The clip that was localized."""

    model_config = _DOCUMENTED

    id: str
    """Identifier of the clip. Send it as `clip_id` instead of the audio in later requests."""
    duration_s: float = Field(examples=[10.0])
    """Duration of the clip, in seconds."""
    cached: bool
    """Whether the embeddings of the clip were cached, so that only the queries were computed."""
    warnings: list[WarningOut]
    """Faults of the clip that may make the answer incomplete or wrong. Empty if there is nothing to report."""


class ModelOut(BaseModel):
    """The model that answered."""

    name: str
    version: str


class LocalizeOut(BaseModel):
    """When each query is heard in the clip."""

    model_config = _DOCUMENTED

    clip: ClipOut
    model: ModelOut
    hop_s: float = Field(examples=[0.04])
    """Time between frames of the curves, in seconds."""
    results: list[ResultOut]
    """One result per query, in the order of the queries."""


class ProblemOut(BaseModel):
    """A problem (RFC 9457). Each problem type can add further members."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="allow")

    type: str = Field(examples=["/problems/audio-too-long"])
    """Identifier of the problem type, which never changes: a URL relative to the service, where the type is
    described."""
    title: str
    """Short text of the problem type, for people."""
    status: int
    """The HTTP status code."""
    detail: str
    """What was received, what is accepted, and which of the operator's settings decides."""


class ProblemTypeOut(BaseModel):
    """A problem type."""

    type: str
    title: str
    status: int


class StatusOut(BaseModel):
    """The state of the process."""

    status: str


class ReadyOut(StatusOut):
    """The readiness of the service."""

    model_config = _DOCUMENTED

    degraded: list[str] | SkipJsonSchema[None] = Field(None, examples=[["redis"]])
    """Optional parts that do not work, although the service can answer. Absent if all parts work."""


class PresenceOut(BaseModel):
    """The score that a segment must exceed so that `present` is true, by length of the clip."""

    model_config = _DOCUMENTED

    from_s: float
    """In clips up to this length, every segment counts, in seconds."""
    logits_per_doubling: float
    """For each doubling of the length beyond `from_s`, the logit of the threshold rises by this number."""


class ModelInfoOut(ModelOut):
    """The model, its training data and its dimensions."""

    model_config = _DOCUMENTED

    id: str
    """Identifier of the part of the model that embeds clips. The `clip.id` of a file is the SHA-256 digest of this
    identifier, a space, and the SHA-256 digest of the file, all in hexadecimal digits. So a client can look for a clip
    before it sends the audio."""
    licences: list[str]
    """Licences of the model and of the material that it was made from."""
    trained_on: list[str]
    """Data sets on which the model was trained."""
    sample_rate_hz: int
    """Sample rate to which clips are resampled, in Hz."""
    hop_s: float
    """Time between frames, in seconds."""
    window_s: float
    """Length of a window, in seconds. Longer clips are cut into overlapping windows."""
    overlap_s: float
    """Overlap of neighbouring windows, in seconds."""
    dimension: int
    """Dimension of the embeddings."""
    presence: PresenceOut | None
    """How `present` allows for the length of a clip. Null if the model has no such rule: then every segment counts."""


class DefaultsOut(BaseModel):
    """Values that apply if a request does not set them, and values of the model that requests cannot change."""

    model_config = _DOCUMENTED

    threshold: float
    threshold_off: float
    median_filter_s: float
    extent_ratio: float
    min_duration_s: float
    merge_gap_s: float
    extent_scale: ExtentScale
    """Whether `extent_ratio` is a fraction of the threshold (`score`) or of its odds, threshold / (1 - threshold) (`odds`). A
    value of the model."""
    core_s: float
    """Peaks above a threshold for a shorter time, in seconds, are extended by `short_extent_ratio`; 0 if no peak counts as
    short. A value of the model."""
    short_extent_ratio: float
    """The extent ratio of short peaks, unless `extent_ratio` is higher. A value of the model."""
    curves: str
    curve_format: str


class LimitsOut(BaseModel):
    """The largest values that the service accepts."""

    max_clip_s: float
    max_upload_bytes: int
    max_queries: int
    max_query_chars: int
    max_wait_s: int
    max_requests: int
    request_timeout_s: float


class InfoOut(BaseModel):
    """The version, model, defaults and limits of this service."""

    model_config = _DOCUMENTED

    version: str
    """Version of the service."""
    model: ModelInfoOut
    provider: str = Field(examples=["CPUExecutionProvider"])
    """ONNX Runtime execution provider that runs the audio encoder."""
    node_shares: dict[str, float] = Field(examples=[{"CPUExecutionProvider": 1.0}])
    """Fraction of the audio encoder's graph nodes that each provider runs."""
    accepted_audio: str
    """Accepted containers, codecs, channel counts and sample rates."""
    defaults: DefaultsOut
    limits: LimitsOut
    library: bool
    """Whether the service has a library, which `GET /library` describes and `POST /search` searches."""


LOCALIZE_EXAMPLE: dict[str, Any] = {
    "clip": {
        "id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "duration_s": 10.0,
        "cached": False,
        "warnings": [],
    },
    "model": {"name": "earmark-compact", "version": "1.0.0"},
    "hop_s": 0.04,
    "results": [
        {
            "query": "a dog barks",
            "warnings": [],
            "present": True,
            "clip_score": 0.934,
            "segments": [{"onset_s": 3.24, "offset_s": 5.08, "score": 0.934, "peak_s": 3.86}],
        },
        {"query": "rain on a roof", "warnings": [], "present": False, "clip_score": 0.081, "segments": []},
    ],
}
"""Example of an answer with `curves=none`."""
