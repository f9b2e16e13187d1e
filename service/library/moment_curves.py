"""The curves of a query around moments of a library, from the stored frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core import scoring
from service.core.curves import smooth
from service.core.manifest import Manifest
from service.core.postprocessing import Postprocessing
from service.core.scoring import EncodedQueries
from service.library.frame_blocks import BLOCK_FRAMES
from service.library.frame_reader import BlockRange, read_ranges
from service.library.searching import Moment
from service.library.store import Library

MAX_CURVE_S = 60.0
"""Longest curve of a moment, in seconds, around the peak."""
_MOMENTS_AT_A_TIME = 16

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class MomentCurve:
    """The curves of a query in a stretch of a recording.

    Attributes:
        first_frame: Index of the first frame in the recording.
        similarity: Cosine similarity of each frame with the query, shape (F,).
        score: Calibrated score of each frame after the median filter, shape (F,).
    """

    first_frame: int
    similarity: Float32
    score: Float32


@dataclass(frozen=True, slots=True)
class CurveReader:
    """Reads the curves around moments.

    Attributes:
        library: The library.
        manifest: The manifest of the model.
        postprocessing: How scores are smoothed.
        around_s: How much of the recording before and after a moment the curve covers, in seconds.
    """

    library: Library
    manifest: Manifest
    postprocessing: Postprocessing
    around_s: float

    def read(self, moments: Sequence[Moment], queries: Sequence[EncodedQueries]) -> Iterator[MomentCurve | None]:
        """Yields the curve of each moment; None if its recording was removed in the meantime.

        Args:
            moments: The moments.
            queries: The queries that the moments name; Q is 1 for each.

        Raises:
            LibraryDamaged: If frames are missing or damaged.
        """
        for begin in range(0, len(moments), _MOMENTS_AT_A_TIME):
            part = moments[begin : begin + _MOMENTS_AT_A_TIME]
            ranges = [self._blocks(*self._with_margin(moment)) for moment in part]
            frames = read_ranges(self.library, ranges)
            for moment, blocks in zip(part, ranges, strict=True):
                found = frames[blocks]
                yield None if found is None else self._curve(moment, found, blocks, queries[moment.query])

    def _stretch(self, moment: Moment) -> tuple[int, int]:
        """First frame of the curve, and the frame after the last."""
        segment, half_s = moment.segment, MAX_CURVE_S / 2
        onset_s = max(0.0, segment.onset_s - self.around_s, segment.peak_s - half_s)
        offset_s = min(segment.offset_s + self.around_s, segment.peak_s + half_s, moment.recording.duration_s)
        first, end = self.manifest.grid.frames_touched(onset_s, offset_s)
        return first, min(end, moment.recording.n_frames)

    def _with_margin(self, moment: Moment) -> tuple[Moment, int, int]:
        """The frames that the median filter needs for the stretch."""
        half = self.manifest.grid.odd_frames_for(self.postprocessing.median_filter_s) // 2
        first, end = self._stretch(moment)
        return moment, max(0, first - half), min(moment.recording.n_frames, end + half)

    @staticmethod
    def _blocks(moment: Moment, first: int, end: int) -> BlockRange:
        recording = moment.recording
        return BlockRange(recording.generation, recording.n_frames, first // BLOCK_FRAMES, -(-end // BLOCK_FRAMES))

    def _curve(
        self, moment: Moment, frames: NDArray[np.float16], blocks: BlockRange, query: EncodedQueries
    ) -> MomentCurve:
        similarity = scoring.similarity(frames, query.embeddings)  # (1, F)
        raw = scoring.score(query.evidence(similarity), self.manifest.calibration)
        score = smooth(raw, self.manifest.grid, self.postprocessing)
        first, end = self._stretch(moment)
        within = slice(first - blocks.begin * BLOCK_FRAMES, end - blocks.begin * BLOCK_FRAMES)
        return MomentCurve(first, similarity[0, within], score[0, within])
