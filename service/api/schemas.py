"""What answers look like: documented by OpenAPI, and validated only where they are small.

The answer of POST /localize holds thousands of numbers and is written by service.answer.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)


class SegmentOut(BaseModel):
    """A time in which the query is heard: [onset_s, offset_s)."""

    model_config = _DOCUMENTED

    onset_s: float = Field(examples=[3.24])
    """Where it begins, in seconds from the clip's start."""
    offset_s: float = Field(examples=[5.08])
    """Where it ends; at most the clip's duration."""
    score: float = Field(examples=[0.93], ge=0, le=1)
    """The highest score in it."""
    peak_s: float = Field(examples=[3.86])
    """The middle of the frame that has the highest score."""


class ResultOut(BaseModel):
    """The answer to one query."""

    model_config = _DOCUMENTED

    query: str = Field(examples=["a dog barks"])
    """As it was asked."""
    present: bool
    """Whether it is heard anywhere in the clip: whether there is a segment."""
    clip_score: float = Field(examples=[0.93], ge=0, le=1)
    """The highest score in the clip."""
    score: list[float] | str | SkipJsonSchema[None] = Field(None, examples=[[0.02, 0.61, 0.93]])
    """Calibrated, smoothed and extended score of each frame, in [0, 1]; frame i is [i * hop_s, (i + 1) * hop_s), and the last one
    ends with the clip. Segments are cut from it. Only if `curves` is score or both; a text if `curve_format` is base64."""
    similarity: list[float] | str | SkipJsonSchema[None] = Field(None, examples=[[0.08, 0.37, 0.52]])
    """Raw similarity of each frame, in [-1, 1]. Only if `curves` is similarity or both; a text if `curve_format` is base64."""
    segments: list[SegmentOut]
    """Where it is heard: in order of time, disjoint, inside the clip."""


class ClipOut(BaseModel):
    """The clip that was localized."""

    model_config = _DOCUMENTED

    id: str
    """Names the clip from now on: send it as `clip_id` instead of the audio."""
    duration_s: float = Field(examples=[10.0])
    """Its length in seconds."""
    cached: bool
    """Whether the service still knew the clip, so that only the queries were computed."""


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
    """Seconds from one frame of the curves to the next."""
    results: list[ResultOut]
    """One a query, in the order of the queries."""


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457); the members that differ from problem to problem are beside these."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="allow")

    type: str = Field(examples=["/problems/audio-too-long"])
    """Names the kind of problem and never changes; relative to the service, which describes it there."""
    title: str
    """The kind of problem, for people."""
    status: int
    """The HTTP status code."""
    detail: str
    """What came, what is accepted, and which setting of the operator decides."""


class ProblemTypeOut(BaseModel):
    """A kind of problem."""

    type: str
    title: str
    status: int


class StatusOut(BaseModel):
    """That the service is well."""

    status: str


class ReadyOut(StatusOut):
    """That the service can answer."""

    model_config = _DOCUMENTED

    degraded: list[str] | SkipJsonSchema[None] = Field(None, examples=[["redis"]])
    """What does not work, though the service does. Only if there is something."""


class ModelInfoOut(ModelOut):
    """The model and what it is made of."""

    model_config = _DOCUMENTED

    licences: list[str]
    """Of the model and of what it was made from."""
    trained_on: list[str]
    """Data sets."""
    sample_rate_hz: int
    """Rate to which clips are resampled."""
    hop_s: float
    """Seconds from one frame to the next."""
    window_s: float
    """Seconds that the model hears at once; longer clips are cut into overlapping windows."""
    overlap_s: float
    """Seconds that neighbouring windows share."""
    dimension: int
    """Of the embeddings."""


class DefaultsOut(BaseModel):
    """What holds for a request that does not say otherwise."""

    threshold: float
    threshold_off: float
    median_filter_s: float
    extent_ratio: float
    min_duration_s: float
    merge_gap_s: float
    curves: str
    curve_format: str


class LimitsOut(BaseModel):
    """What is accepted at most."""

    max_clip_s: float
    max_upload_bytes: int
    max_queries: int
    max_query_chars: int
    max_requests: int
    request_timeout_s: float


class InfoOut(BaseModel):
    """What this service is."""

    model_config = _DOCUMENTED

    version: str
    """Of the service."""
    model: ModelInfoOut
    provider: str = Field(examples=["CPUExecutionProvider"])
    """What the model runs on."""
    node_shares: dict[str, float] = Field(examples=[{"CPUExecutionProvider": 1.0}])
    """The share of the audio tower's nodes that each provider runs."""
    accepted_audio: str
    """Containers, codecs, channels and sample rates that are accepted."""
    defaults: DefaultsOut
    limits: LimitsOut


LOCALIZE_EXAMPLE: dict[str, Any] = {
    "clip": {
        "id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "duration_s": 10.0,
        "cached": False,
    },
    "model": {"name": "earmark-compact", "version": "1.0.0"},
    "hop_s": 0.04,
    "results": [
        {
            "query": "a dog barks",
            "present": True,
            "clip_score": 0.934,
            "segments": [{"onset_s": 3.24, "offset_s": 5.08, "score": 0.934, "peak_s": 3.86}],
        },
        {"query": "rain on a roof", "present": False, "clip_score": 0.081, "segments": []},
    ],
}
"""What `curves=none` gives."""
