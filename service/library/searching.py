"""Searches of a library: the best moments of one or several queries, with the share of the library that was searched."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core import scoring
from service.core.manifest import Manifest
from service.core.postprocessing import Postprocessing
from service.core.scoring import EncodedQueries
from service.core.segments import Segment
from service.library.candidates import MAX_CANDIDATES, Candidates, find_candidates
from service.library.exact_stage import MAX_PART_BLOCKS, ExactStage, ScoredQuery
from service.library.example_frames import Background
from service.library.filters import check_condition
from service.library.frame_blocks import BLOCK_FRAMES
from service.library.recording import LibraryModel, Recording
from service.library.snapshot import Snapshots
from service.library.store import Library, check_model

MAX_MOMENTS = 1000
"""Largest number of moments of a search."""
CANDIDATES_A_MOMENT = 50
"""Candidates that the first stage gives for each moment that is wanted, but at least `MIN_CANDIDATES`."""
MIN_CANDIDATES = 2000
LOOKED_AT_A_MOMENT = 4
"""Stretches whose frames are read for each moment that is wanted, at most, unless fewer moments than wanted are found."""
LOOKED_AT_A_TIME = 40
"""Candidates whose frames are read in one query."""
FIRST_CELLS = 400
"""Candidates whose cells are read at first, those with the most similar means."""
MEAN_SLACK = 0.12
"""By how much the similarity of the best cell of a stretch may exceed that of its mean, as the index estimates it.

The cells of a candidate whose score would be too low even with this much more are not read. Of the 100 candidates with the best
cells, 1.5 % exceed it; of all candidates, 1 % do.
"""
SLACK = 0.04
"""By how much the similarity of a moment may exceed the best cell of its best stretch. Candidates whose score would be too low
even with this much more are not looked at. Of the moments in five hours of scenes, 99 % exceed it by less."""
_EXACT_FRAMES = 100_000


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A query of a search.

    Attributes:
        text: The query in words, or a name for its examples.
        encoded: The query as the text tower or examples encode it; Q is 1.
    """

    text: str
    encoded: EncodedQueries


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a library in which a query is heard.

    Attributes:
        query: Index of the query.
        recording: The recording.
        segment: The segment, with its score, as `POST /localize` gives it for the recording.
    """

    query: int
    recording: Recording
    segment: Segment

    @property
    def rank(self) -> tuple[float, int, float, int]:
        """Place in the ranking: moments with smaller values come first."""
        return -self.segment.score, self.recording.generation, self.segment.onset_s, self.query


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a library is searched.

    Attributes:
        top: Number of moments that are wanted, 1 to 1000.
        condition: Condition on recordings; see `service.library.filters`. Empty for all.
        exact: Whether all frames are read, so that no moment can be missed.
        postprocessing: How scores become segments.
    """

    top: int
    condition: str
    exact: bool
    postprocessing: Postprocessing


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The moments of a search.

    Attributes:
        moments: The best moments, those with the highest scores first.
        n_recordings: Number of recordings that were searched.
        searched_s: Total length of these recordings, in seconds.
        exact: Whether all frames were read, so that no better moment exists.
    """

    moments: Sequence[Moment]
    n_recordings: int
    searched_s: float
    exact: bool


class Searcher:
    """Searches a library with a model; safe to use from several threads.

    Args:
        library: The library.
        manifest: The manifest of the model.

    Raises:
        LibraryModelDiffers: If the library was indexed with another model.
    """

    def __init__(self, library: Library, manifest: Manifest) -> None:
        check_model(library, LibraryModel.of(manifest))
        self.library, self.manifest, self._snapshots = library, manifest, Snapshots(library)
        self._background = Background(library)

    def covered(self) -> tuple[int, float]:
        """Number of recordings of the library, and their total length in seconds."""
        snapshot = self._snapshots.read()
        return len(snapshot.generations), snapshot.searched_s

    def background(self) -> NDArray[np.float32]:
        """Background frames for queries by example, from the whole library, shape (B, D)."""
        return self._background.frames(self._snapshots.read())

    def search(
        self, queries: Sequence[SearchQuery], options: SearchOptions, check: Callable[[], object] = lambda: None
    ) -> SearchResult:
        """Finds the best moments of all queries together.

        Args:
            queries: The queries.
            options: How the library is searched.
            check: Called between the steps; an error that it raises ends the search.

        Raises:
            FilterInvalid: If the condition cannot be used.
            LibraryDamaged: If the library cannot be read.
        """
        condition = options.condition
        if condition:
            condition = check_condition(condition, self.library.metadata_columns())
        snapshot = self._snapshots.read(condition)
        best: list[tuple[float, int, float, int, Segment]] = []
        for number, query in enumerate(queries):
            scored = ScoredQuery(query.encoded, self.manifest, options.postprocessing)
            stage = ExactStage(self.library, snapshot, scored, options.top)
            if options.exact:
                self._read_all(stage, check)
            elif len(snapshot.generations):
                self._follow_candidates(stage, check)
            best += [
                (-segment.score, int(snapshot.generations[row]), onset_s, number, segment)
                for (row, onset_s), segment in stage.found.items()
            ]
        moments = self._moments(heapq.nsmallest(options.top, best))
        return SearchResult(moments, len(snapshot.generations), snapshot.searched_s, options.exact)

    def _follow_candidates(self, stage: ExactStage, check: Callable[[], object]) -> None:
        """Looks at the candidates of the first stage in order, until no other can be among the best."""
        n_candidates = max(MIN_CANDIDATES, stage.top * CANDIDATES_A_MOMENT)
        while True:
            candidates = find_candidates(self.library, stage.snapshot, stage.query.encoded.embeddings[0], n_candidates)
            if self._look_until_done(stage, _in_order(stage, candidates), check):
                return
            if candidates.is_complete or n_candidates >= MAX_CANDIDATES:
                return
            if len(candidates.rows) and _mean_hopes(stage, candidates.similarities[-1:])[0] <= stage.needed_score():
                return  # nor can a candidate that is less similar than the last be among the best
            n_candidates = min(MAX_CANDIDATES, 4 * n_candidates)

    def _look_until_done(
        self, stage: ExactStage, stretches: Iterator[tuple[int, int, int, float]], check: Callable[[], object]
    ) -> bool:
        """Looks at stretches in portions, the most similar first.

        Returns:
            Whether no more candidates are needed: the next one cannot be among the best, or enough have been looked at.
        """
        portion: list[tuple[int, int, int]] = []
        needed, n_left = stage.needed_score(), LOOKED_AT_A_MOMENT * stage.top
        for row, first_frame, end_frame, hope in stretches:
            if hope <= needed or (n_left <= 0 and len(stage.found) >= stage.top):
                stage.look_at(portion)
                return True
            if not stage.has_read(row, first_frame, end_frame):
                portion.append((row, first_frame, end_frame))
            if len(portion) == LOOKED_AT_A_TIME:
                check()
                stage.look_at(portion)
                needed, n_left, portion = stage.needed_score(), n_left - len(portion), []
        stage.look_at(portion)
        return len(stage.found) >= stage.top

    def _read_all(self, stage: ExactStage, check: Callable[[], object]) -> None:
        """Looks at all frames of all recordings, some at a time."""
        portion: list[tuple[int, int, int]] = []
        n_frames = 0
        part_frames = MAX_PART_BLOCKS * BLOCK_FRAMES
        for row, length in enumerate(stage.snapshot.n_frames.tolist()):
            for begin in range(0, length, part_frames):
                end = min(length, begin + part_frames)
                portion.append((row, begin, end))
                n_frames += end - begin
                if n_frames >= _EXACT_FRAMES:
                    check()
                    stage.look_at(portion)
                    stage.keep_best()
                    portion, n_frames = [], 0
        stage.look_at(portion)

    def _moments(self, best: Sequence[tuple[float, int, float, int, Segment]]) -> list[Moment]:
        recordings: Mapping[int, Recording] = self._snapshots.recordings([generation for _, generation, *_ in best])
        return [
            Moment(number, recordings[generation], segment)
            for _, generation, _, number, segment in best
            if generation in recordings  # it was removed during the search
        ]


def _in_order(stage: ExactStage, candidates: Candidates) -> Iterator[tuple[int, int, int, float]]:
    """Stretches of candidates, with the scores that may be hoped for, the highest first.

    At first, only candidates with the most similar means are in the order. After a portion of these, the score that is needed is
    known well enough to leave out most of the others, whose cells are not read.
    """
    query = stage.query.encoded.embeddings[0]

    def hopes_of(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        return _scores(stage.query, candidates.best_cells(numbers, query) + np.float32(SLACK))

    def stretches(numbers: NDArray[np.int64], hopes: NDArray[np.float32]) -> Iterator[tuple[int, int, int, float]]:
        columns = (candidates.rows[numbers], candidates.first_frames[numbers], candidates.end_frames[numbers], hopes)
        yield from zip(*(column.tolist() for column in columns), strict=True)

    numbers = np.arange(min(FIRST_CELLS, len(candidates.rows)))
    hopes = hopes_of(numbers)
    order = np.argsort(-hopes, kind="stable")
    begin = order[:LOOKED_AT_A_TIME]
    begin = begin[hopes[begin] > stage.needed_score()]
    yield from stretches(numbers[begin], hopes[begin])
    others = np.arange(len(numbers), len(candidates.rows))
    others = others[_mean_hopes(stage, candidates.similarities[others]) > stage.needed_score()]
    numbers, hopes = (
        np.append(numbers[order[len(begin) :]], others),
        np.append(hopes[order[len(begin) :]], hopes_of(others)),
    )
    order = np.argsort(-hopes, kind="stable")
    yield from stretches(numbers[order], hopes[order])


def _mean_hopes(stage: ExactStage, similarities: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scores that may be hoped for where the mean of a stretch has a similarity."""
    return _scores(stage.query, similarities + np.float32(MEAN_SLACK))


def _scores(query: ScoredQuery, similarities: np.ndarray) -> np.ndarray:
    evidence = query.encoded.evidence(np.clip(similarities, -1, 1)[None])  # (1, C)
    return scoring.score(evidence, query.manifest.calibration)[0]
