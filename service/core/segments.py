"""Cutting of a score curve into the segments in which a query is heard."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing

Bounds = NDArray[np.int64]
Float32 = NDArray[np.float32]

_TOLERANCE_S = 1e-9


@dataclass(frozen=True, slots=True)
class Segment:
    """A detection: the time [onset_s, offset_s), its highest smoothed score, and the time of that score."""

    onset_s: float
    offset_s: float
    score: float
    peak_s: float

    def lasts(self, min_duration_s: float) -> bool:
        """Whether the segment is at least that long."""
        return self.offset_s - self.onset_s >= min_duration_s - _TOLERANCE_S


def find_segments(
    extended: Float32, smoothed: Float32, grid: FrameGrid, duration_s: float, postprocessing: Postprocessing
) -> list[Segment]:
    """Cuts segments from a score curve by hysteresis, then merges close segments, then drops short segments.

    Before merging, a segment is a run of frames whose scores are all above `threshold_off`, and at least one of these
    scores is above `threshold`. Raising the threshold never adds time.

    Args:
        extended: Smoothed and extended scores in [0, 1], shape (T,): the curve that is cut.
        smoothed: The scores before extension, shape (T,). The peak of a segment is its frame with the highest smoothed
            score.
        grid: The frames of the curve.
        duration_s: Length of the clip, which ends in the last frame.
        postprocessing: Thresholds, shortest segment and longest gap that is merged. The median filter and the extent
            ratio are not applied, because the curves are smoothed and extended already.

    Returns:
        Segments in order of time, disjoint, inside the clip.
    """
    if extended.max(initial=0) <= postprocessing.threshold:  # the usual case: most queries are not heard
        return []
    edges = grid.edges(len(extended), duration_s)  # (T + 1,)
    return cut_segments(extended, smoothed, edges, grid.frames_for(postprocessing.merge_gap_s), postprocessing)


def cut_segments(
    extended: Float32,
    smoothed: Float32,
    edges: NDArray[np.float64],
    gap_frames: int,
    postprocessing: Postprocessing,
) -> list[Segment]:
    """Cuts segments from the curve of a clip, or of a part of a clip, that is above the threshold somewhere.

    Args:
        extended: Smoothed and extended scores in [0, 1], shape (T,), at least one of them above the threshold.
        smoothed: The scores before extension, shape (T,).
        edges: Boundaries of the frames, in seconds, shape (T + 1,).
        gap_frames: Segments at most this far apart are merged.
        postprocessing: See `find_segments`.
    """
    starts, stops = _runs_above(extended, postprocessing.threshold_off)  # (S,), (S,)
    peaks = np.maximum.reduceat(extended, _interleave(starts, stops, len(extended)))[::2]  # (S,)
    reached = peaks > postprocessing.threshold
    starts, stops = _merge(starts[reached], stops[reached], gap_frames)
    found = (_segment(smoothed, edges, int(start), int(stop)) for start, stop in zip(starts, stops, strict=True))
    return [segment for segment in found if segment.lasts(postprocessing.min_duration_s)]


def _runs_above(score: Float32, level: float) -> tuple[Bounds, Bounds]:
    """First frame of each run of frames above a level, and the frame after the run's last frame."""
    above = np.concatenate([[False], score > level, [False]])  # (T + 2,)
    changes = np.flatnonzero(above[1:] != above[:-1])
    return changes[::2], changes[1::2]


def _interleave(starts: Bounds, stops: Bounds, n_frames: int) -> Bounds:
    """Indices for `reduceat`, whose results at even positions are those of the runs.

    A stop at the end of the curve is left out, because it is not a valid index.
    """
    indices = np.stack([starts, stops], axis=1).ravel()
    return indices[:-1] if indices[-1] == n_frames else indices


def _merge(starts: Bounds, stops: Bounds, gap_frames: int) -> tuple[Bounds, Bounds]:
    """Joins runs whose gap is at most `gap_frames` frames."""
    apart = starts[1:] - stops[:-1] > gap_frames
    return starts[np.concatenate([[True], apart])[: len(starts)]], stops[np.concatenate([apart, [True]])[: len(stops)]]


def _segment(smoothed: Float32, edges: NDArray[np.float64], start: int, stop: int) -> Segment:
    peak = start + int(np.argmax(smoothed[start:stop]))  # extension never exceeds the highest smoothed score of a run
    return Segment(
        onset_s=float(edges[start]),
        offset_s=float(edges[stop]),
        score=float(smoothed[peak]),
        peak_s=float((edges[peak] + edges[peak + 1]) / 2),
    )
