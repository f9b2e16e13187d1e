"""Schemas of the answers about a library, which OpenAPI publishes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from service.api.schemas import ModelOut, WarningOut, is_none

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)


class RecordingOut(BaseModel):
    """A recording of a library."""

    model_config = _DOCUMENTED

    id: str = Field(examples=["2f1c0f3e5b0d4c0a9a8e7d6c5b4a3f2e"])
    """Identifier of the recording in the library."""
    name: str = Field(examples=["street.wav"])
    """Name of the file that was indexed, without its folder; empty for a recording that a client sent."""
    duration_s: float = Field(examples=[600.0])
    """Duration of the recording, in seconds."""
    metadata: dict[str, str | float | None] = Field(examples=[{"site": "north"}])
    """Values of the columns of metadata."""


class AddedRecordingOut(RecordingOut):
    """A recording of a library with the faults that were noticed when it was decoded."""

    warnings: list[WarningOut]
    """Faults of the recording that may make searches incomplete. Empty if there is nothing to report."""


class CurveOut(BaseModel):
    """The curves of a query around a moment: at most 60 s around the peak."""

    model_config = _DOCUMENTED

    start_s: float = Field(examples=[310.4])
    """Start of the first frame, in seconds from the start of the recording."""
    hop_s: float = Field(examples=[0.04])
    """Time between frames, in seconds."""
    score: list[float] = Field(examples=[[0.02, 0.61, 0.91]])
    """Calibrated score of each frame after the median filter, in [0, 1]."""
    similarity: list[float] = Field(examples=[[0.08, 0.37, 0.52]])
    """Raw cosine similarity of each frame, in [-1, 1]."""


class MomentOut(BaseModel):
    """A moment of a library in which a query is heard."""

    model_config = _DOCUMENTED

    query: str = Field(examples=["a chainsaw"])
    """The query in words, or the examples."""
    recording: RecordingOut
    onset_s: float = Field(examples=[312.4])
    """Start of the moment, in seconds from the start of the recording."""
    offset_s: float = Field(examples=[318.0])
    """End of the moment, in seconds."""
    score: float = Field(examples=[0.91])
    """Highest score in the moment."""
    peak_s: float = Field(examples=[315.2])
    """Time of the highest score, in seconds."""
    curve: CurveOut | SkipJsonSchema[None] = Field(None, exclude_if=is_none)
    """The curves around the moment; present only if the search has `curve_s`."""


class FacetOut(BaseModel):
    """How many moments have a value."""

    value: str | float | None
    """The value of the column; the identifier of the recording for `recording`."""
    name: str | SkipJsonSchema[None] = Field(None, examples=["street.wav"], exclude_if=is_none)
    """Name of the file of the recording; present only for `recording`."""
    count: int
    """Number of moments among the best 1000."""


class SearchOut(BaseModel):
    """The best moments of a library."""

    model_config = _DOCUMENTED

    model: ModelOut
    searched_s: float = Field(examples=[360000.0])
    """Total duration of the recordings that were searched, in seconds."""
    n_recordings: int = Field(examples=[600])
    """Number of recordings that were searched."""
    exact: bool
    """Whether all frames were read. If not, the index was asked, and a moment may be missed."""
    moments: list[MomentOut]
    """The moments, those with the highest scores first."""
    next_cursor: str | None
    """Send it as `cursor` to get the next moments; null if there are no more."""
    facets: dict[str, list[FacetOut]]
    """Counts for each column in `facets`, the most frequent values first."""
    warnings: list[list[WarningOut]]
    """Warnings about each query in words."""


class LibraryOut(BaseModel):
    """The library of the service."""

    model_config = _DOCUMENTED

    n_recordings: int = Field(examples=[600])
    """Number of recordings."""
    duration_s: float = Field(examples=[360000.0])
    """Total duration of the recordings, in seconds."""
    audio: bool
    """Whether clients may fetch the audio of the recordings (`EARMARK_LIBRARY_AUDIO`)."""
    columns: dict[str, Literal["text", "number"]] = Field(examples=[{"site": "text", "year": "number"}])
    """Columns of metadata, and whether they hold texts or numbers."""
