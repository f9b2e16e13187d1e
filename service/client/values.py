"""The parts of an answer: segments, warnings, the clip, and the result of a query."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Segment:
    """A time interval [onset_s, offset_s) in which a query is heard.

    Attributes:
        query: The query.
        onset_s: Start, in seconds from the start of the clip.
        offset_s: End, in seconds.
        score: Highest score in the segment, 0 to 1.
        peak_s: Time of the highest score, in seconds.
    """

    query: str
    onset_s: float
    offset_s: float
    score: float
    peak_s: float

    @property
    def duration_s(self) -> float:
        """Length of the segment, in seconds."""
        return self.offset_s - self.onset_s


@dataclass(frozen=True, slots=True)
class AnswerWarning:
    """A fault of the clip, or a property of the query, that may make the answer incomplete or wrong.

    Attributes:
        code: Stable name of the kind of warning.
        message: Explanation for people.
        onset_s: Start of the stretch that the warning is about, in seconds; None if it is about the whole clip or a query.
        offset_s: End of the stretch, in seconds.
    """

    code: str
    message: str
    onset_s: float | None = None
    offset_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class QueryResult:
    """The result of one query.

    Attributes:
        query: The query.
        present: Whether the query is heard anywhere in the clip.
        clip_score: Highest score in the clip, 0 to 1.
        segments: Where the query is heard: in order of time, disjoint.
        score: Calibrated score of each frame, shape (T,); None unless `curves` is "score" or "both".
        similarity: Cosine similarity of each frame, shape (T,); None unless `curves` is "similarity" or "both".
        warnings: Properties of the query that may make the result wrong.
    """

    query: str
    present: bool
    clip_score: float
    segments: tuple[Segment, ...]
    score: Float32 | None = None
    similarity: Float32 | None = None
    warnings: tuple[AnswerWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class Clip:
    """The clip that was localized.

    Attributes:
        id: Identifier of the clip, with which the service finds it as long as it is cached.
        duration_s: Length of the clip, in seconds.
        cached: Whether the embeddings of the clip were cached.
        warnings: Faults of the clip that may make the answer incomplete or wrong.
    """

    id: str
    duration_s: float
    cached: bool
    warnings: tuple[AnswerWarning, ...] = ()
