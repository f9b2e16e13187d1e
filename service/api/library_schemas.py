"""Schemas of the answers about a library, which OpenAPI publishes."""

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas import ModelOut, WarningOut

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


class FacetOut(BaseModel):
    """How many moments have a value."""

    value: str | float | None
    """The value of the column; the identifier of the recording for `recording`."""
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
