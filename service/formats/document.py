"""The content of an answer that every format writes: the clip, and the segments without curves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

_DECIMALS = 6


class SegmentLike(Protocol):
    """A segment of the service or of the client."""

    @property
    def onset_s(self) -> float:
        """Start, in seconds."""
        ...

    @property
    def offset_s(self) -> float:
        """End, in seconds."""
        ...

    @property
    def score(self) -> float:
        """Highest score."""
        ...

    @property
    def peak_s(self) -> float:
        """Time of the highest score, in seconds."""
        ...


class ResultLike(Protocol):
    """A result of a query, of the service or of the client."""

    @property
    def query(self) -> str:
        """The query."""
        ...

    @property
    def segments(self) -> Sequence[SegmentLike]:
        """The segments, in order of time."""
        ...


@dataclass(frozen=True, slots=True)
class Detection:
    """A segment with its query, with values rounded as in the JSON answer.

    Attributes:
        query: The query as the client sent it.
        onset_s: Start of the segment, in seconds.
        offset_s: End of the segment, in seconds.
        score: Highest score in the segment, 0 to 1.
        peak_s: Time of the highest score, in seconds.
    """

    query: str
    onset_s: float
    offset_s: float
    score: float
    peak_s: float

    @property
    def label(self) -> str:
        """The query on one line, without tabs."""
        return " ".join(self.query.split())


@dataclass(frozen=True, slots=True)
class Document:
    """The segments of all queries about a clip.

    Attributes:
        name: Name of the clip: its file, or its id where the file is not known.
        clip_id: Id of the clip.
        duration_s: Length of the clip, in seconds.
        model: Name and version of the model.
        highest_hz: Highest frequency that the model hears, in Hz.
        detections: The segments, in the order of the queries.
    """

    name: str
    clip_id: str
    duration_s: float
    model: tuple[str, str]
    highest_hz: float
    detections: tuple[Detection, ...]

    @property
    def by_time(self) -> list[Detection]:
        """The segments in order of time."""
        return sorted(self.detections, key=lambda each: (each.onset_s, each.offset_s, each.label))


def detections_of(results: Iterable[ResultLike]) -> tuple[Detection, ...]:
    """The segments of results, without their curves, so that results which are computed one by one are not kept."""
    return tuple(
        Detection(
            result.query,
            round(segment.onset_s, _DECIMALS),
            round(segment.offset_s, _DECIMALS),
            rounded_score(segment.score),
            round(segment.peak_s, _DECIMALS),
        )
        for result in results
        for segment in result.segments
    )


def rounded_score(score: float) -> float:
    """A score with the digits that the JSON answer has: those of a rounded 32-bit float."""
    return float(str(np.round(np.float32(score), _DECIMALS)))
