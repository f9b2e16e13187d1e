"""Computes the results of queries about a clip from embeddings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from service.core import scoring
from service.core.curves import score_curves
from service.core.manifest import Manifest
from service.core.postprocessing import Postprocessing
from service.core.presence import is_present
from service.core.scoring import EncodedQueries
from service.core.segments import Segment
from service.core.warnings import AnswerWarning

Float32 = NDArray[np.float32]

GROUP_VALUES = 1 << 19
"""Maximum number of values in the similarity curves that are computed together: 2 MiB of float32. A single curve may be
longer."""


@dataclass(frozen=True, slots=True, eq=False)
class QueryResult:
    """The result of a query about a clip.

    Attributes:
        query: The text of the query, unchanged.
        present: Whether the query is heard anywhere in the clip; see `service.core.presence.is_present`.
        clip_score: The maximum of `score`.
        score: Calibrated scores in [0, 1], smoothed and extended, shape (T,): the curve that is cut into segments.
        similarity: Raw cosine similarities in [-1, 1], shape (T,).
        segments: Where the query is heard: in order of time, disjoint, inside the clip.
        warnings: Properties of the query that may make the result wrong.
    """

    query: str
    present: bool
    clip_score: float
    score: Float32
    similarity: Float32
    segments: tuple[Segment, ...]
    warnings: tuple[AnswerWarning, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """The queries about a clip, and the inputs for computing their results.

    Attributes:
        frames: Unit-norm frame embeddings of the clip, shape (T, D), T at least 1.
        queries: The texts of the Q queries.
        encoded: The Q queries as the text tower encodes them.
        manifest: The manifest of the bundle, which holds the frame grid and the calibration.
        postprocessing: How scores become segments.
        duration_s: Length of the clip, which ends in frame T - 1.
        warnings: The warnings about each of the Q queries.
    """

    frames: NDArray[np.float16] | Float32
    queries: tuple[str, ...]
    encoded: EncodedQueries
    manifest: Manifest
    postprocessing: Postprocessing
    duration_s: float
    warnings: Sequence[tuple[AnswerWarning, ...]]

    def results(self, rows: slice) -> list[QueryResult]:
        """Computes the results of the R queries that `rows` selects; they do not depend on the other rows."""
        similarities = scoring.similarity(self.frames, self.encoded.embeddings, rows)  # (R, T)
        evidence = self.encoded.evidence(similarities, rows)  # (R, T)
        curves = score_curves(evidence, self.manifest.calibration, self.manifest.grid, self.postprocessing)
        clip_scores = scoring.clip_score(curves.extended)  # (R,)
        threshold, results = self.postprocessing.threshold, list[QueryResult]()
        for index, (query, warnings) in enumerate(zip(self.queries[rows], self.warnings[rows], strict=True)):
            is_heard = clip_scores[index] > threshold  # most queries are not heard anywhere
            segments = curves.segments(index, self.duration_s) if is_heard else []
            results.append(
                QueryResult(
                    query=query,
                    present=is_present(segments, threshold, self.duration_s, self.manifest.presence),
                    clip_score=float(clip_scores[index]),
                    score=curves.extended[index],
                    similarity=similarities[index],
                    segments=tuple(segments),
                    warnings=warnings,
                )
            )
        return results


class GroupedResults(Sequence[QueryResult]):
    """Results that are computed in groups while they are iterated, so that only a single group is in memory.

    The curves of 64 queries about one hour take 46 MB; a slow reader of the answer would keep them in memory.

    Args:
        search: Computes the results.
        group_size: Number of queries in a group.
    """

    def __init__(self, search: _Search, group_size: int) -> None:
        self._search, self._group_size = search, group_size

    @property
    def group_bytes(self) -> int:
        """Size of the curves of one group, in bytes."""
        return 2 * 4 * self._group_size * len(self._search.frames)  # similarity and score, float32

    @property
    def clip_bytes(self) -> int:
        """Size of the clip's frame embeddings, which are kept in memory until the last result is computed."""
        return self._search.frames.nbytes

    @property
    def warnings(self) -> Sequence[tuple[AnswerWarning, ...]]:
        """The warnings about each query, which are known without computing the results."""
        return self._search.warnings

    def with_warnings(self, warnings: Sequence[tuple[AnswerWarning, ...]]) -> "GroupedResults":
        """The same results with the warnings about each query."""
        return GroupedResults(replace(self._search, warnings=warnings), self._group_size)

    def __len__(self) -> int:
        return len(self._search.queries)

    def __iter__(self) -> Iterator[QueryResult]:
        for begin in range(0, len(self), self._group_size):
            group = self._search.results(slice(begin, begin + self._group_size))
            group.reverse()
            while group:
                yield group.pop()

    @overload
    def __getitem__(self, index: int) -> QueryResult: ...
    @overload
    def __getitem__(self, index: slice) -> list[QueryResult]: ...
    def __getitem__(self, index: int | slice) -> QueryResult | list[QueryResult]:
        if isinstance(index, slice):
            return self._search.results(index)
        row = range(len(self))[index]
        return self._search.results(slice(row, row + 1))[0]


def localize(
    frames: NDArray[np.float16] | Float32,
    queries: Sequence[str],
    encoded: EncodedQueries,
    manifest: Manifest,
    postprocessing: Postprocessing,
    duration_s: float,
) -> Sequence[QueryResult]:
    """Computes when each query is heard in a clip.

    Args:
        frames: Unit-norm frame embeddings of the clip, shape (T, D), T at least 1.
        queries: The texts of the Q queries.
        encoded: The Q queries as the text tower encodes them.
        manifest: The manifest of the bundle, which holds the frame grid and the calibration.
        postprocessing: How scores become segments.
        duration_s: Length of the clip, which ends in frame T - 1.

    Returns:
        One result for each query, in the same order. If the curves together have more than `GROUP_VALUES` values, each
        iteration computes the results anew, in groups of at most that many values.
    """
    search = _Search(frames, tuple(queries), encoded, manifest, postprocessing, duration_s, [()] * len(queries))
    group_size = max(1, GROUP_VALUES // len(frames))
    return search.results(scoring.ALL_ROWS) if len(queries) <= group_size else GroupedResults(search, group_size)


def with_warnings(
    results: Sequence[QueryResult], warnings: Sequence[tuple[AnswerWarning, ...]]
) -> Sequence[QueryResult]:
    """Sets the warnings about each query of results that have none. Results that are not computed yet stay so."""
    if isinstance(results, GroupedResults):
        return results.with_warnings(warnings)
    if not any(warnings):
        return results
    return [replace(result, warnings=items) for result, items in zip(results, warnings, strict=True)]


def query_warnings(results: Sequence[QueryResult]) -> Sequence[tuple[AnswerWarning, ...]]:
    """The warnings about each query of an answer. Results that are not computed yet are not computed."""
    return results.warnings if isinstance(results, GroupedResults) else [result.warnings for result in results]
