"""From a smoothed and extended score curve to the segments in which a query is heard."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid

Bounds = NDArray[np.int64]

_TOLERANCE_S = 1e-9


@dataclass(frozen=True, slots=True)
class Segment:
    """A detection: [onset_s, offset_s) with the highest score in it and the centre of the frame that has it."""

    onset_s: float
    offset_s: float
    score: float
    peak_s: float


def find_segments(
    score: NDArray[np.float32],
    before: NDArray[np.float32],
    grid: FrameGrid,
    duration_s: float,
    threshold: float,
    threshold_off: float,
    min_duration_s: float,
    merge_gap_s: float,
) -> list[Segment]:
    """Cuts segments from a score curve by hysteresis, then merges near ones, then drops short ones.

    A segment is a run of frames with score > threshold_off, one of which at least has score > threshold.
    Raising the threshold never adds time.

    Args:
        score: Smoothed and extended scores in [0, 1], shape (T,).
        before: The same before they were extended, shape (T,): its highest frame in a segment is the segment's peak.
        grid: The curve's frames.
        duration_s: The clip's length; it ends in the last frame.
        threshold: A segment has a frame above it.
        threshold_off: All frames of a segment before merging are above it; at most `threshold`.
        min_duration_s: Shorter segments are dropped, after merging.
        merge_gap_s: Segments with a gap of at most this between them become one.

    Returns:
        Segments in order of time, disjoint, inside the clip.

    Raises:
        ValueError: If threshold_off is above threshold.
    """
    if threshold_off > threshold:
        raise ValueError(f"threshold_off {threshold_off} is above threshold {threshold}")
    if score.max(initial=0) <= threshold:  # most queries are not heard
        return []
    edges = grid.edges(len(score), duration_s)  # (T + 1,)
    starts, stops = _runs_above(score, threshold_off)  # (S,), (S,)
    entered = np.maximum.reduceat(score, _interleave(starts, stops, len(score)))[::2] > threshold
    starts, stops = starts[entered], stops[entered]
    starts, stops = _merge(starts, stops, grid.frames_for(merge_gap_s))
    long_enough = edges[stops] - edges[starts] >= min_duration_s - _TOLERANCE_S
    return [
        _segment(before, edges, int(start), int(stop))
        for start, stop in zip(starts[long_enough], stops[long_enough], strict=True)
    ]


def _runs_above(score: NDArray[np.float32], level: float) -> tuple[Bounds, Bounds]:
    """First frames and frames after the last of each run of frames above a level."""
    above = np.concatenate([[False], score > level, [False]])  # (T + 2,)
    changes = np.flatnonzero(above[1:] != above[:-1])
    return changes[::2], changes[1::2]


def _interleave(starts: Bounds, stops: Bounds, n_frames: int) -> Bounds:
    """Indices for `reduceat`, whose even results are those of the runs; a stop at the curve's end is left out."""
    indices = np.stack([starts, stops], axis=1).ravel()
    return indices[:-1] if indices[-1] == n_frames else indices


def _merge(starts: Bounds, stops: Bounds, gap_frames: int) -> tuple[Bounds, Bounds]:
    """Joins runs whose gap is at most `gap_frames` frames."""
    apart = starts[1:] - stops[:-1] > gap_frames
    return starts[np.concatenate([[True], apart])[: len(starts)]], stops[np.concatenate([apart, [True]])[: len(stops)]]


def _segment(before: NDArray[np.float32], edges: NDArray[np.float64], start: int, stop: int) -> Segment:
    peak = start + int(np.argmax(before[start:stop]))  # extending raises nothing above the highest frame in reach
    return Segment(
        onset_s=float(edges[start]),
        offset_s=float(edges[stop]),
        score=float(before[peak]),
        peak_s=float((edges[peak] + edges[peak + 1]) / 2),
    )
