"""The chain from evidence to score curves to segments, which serving, evaluation and calibration share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core import scoring
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.scoring import Calibration
from service.core.segments import Segment, find_segments

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCurves:
    """Score curves of Q queries over T frames.

    Attributes:
        smoothed: Calibrated scores after the median filter, shape (Q, T).
        extended: The smoothed scores after extension, shape (Q, T): the curves that are served and cut into segments.
        grid: The frames of the curves.
        postprocessing: The settings with which the curves were made, and with which they are cut.
    """

    smoothed: Float32
    extended: Float32
    grid: FrameGrid
    postprocessing: Postprocessing

    def segments(self, query: int, duration_s: float) -> list[Segment]:
        """Segments of the query with that index, in a clip of `duration_s` seconds; see `find_segments`."""
        extended, smoothed = self.extended[query], self.smoothed[query]
        return find_segments(extended, smoothed, self.grid, duration_s, self.postprocessing)


def score_curves(
    evidence: Float32, calibration: Calibration, grid: FrameGrid, postprocessing: Postprocessing
) -> ScoreCurves:
    """Scores evidence, smooths the scores with a median filter, and extends the smoothed scores.

    Args:
        evidence: One row for each query, shape (Q, T); see `EncodedQueries.evidence`.
        calibration: The sigmoid from evidence to scores.
        grid: The frames of the curves.
        postprocessing: Width of the median filter, extension, and how the curves are cut into segments.
    """
    smoothed = smooth(scoring.score(evidence, calibration), grid, postprocessing)
    return ScoreCurves(smoothed, postprocessing.extension(grid).extend(smoothed), grid, postprocessing)


def smooth(curves: Float32, grid: FrameGrid, postprocessing: Postprocessing) -> Float32:
    """Applies the median filter of the post-processing to curves (Q, T)."""
    return scoring.median_filter(curves, grid.odd_frames_for(postprocessing.median_filter_s))
