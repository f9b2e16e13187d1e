"""Segments of a query from a part of a recording's frames, equal to those that the whole recording gives.

A search of a library reads a few seconds of a long recording. The steps are those of `service.core.localization`: similarity,
score, median filter, extension and cut. Near the ends of the part, the median filter lacks frames, and a segment may go on
outside the part or be merged with a segment there. Such segments are open: the caller reads a longer part.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.core.curves import score_curves
from service.core.frame_grid import FrameGrid
from service.core.manifest import Manifest
from service.core.postprocessing import Postprocessing
from service.core.scoring import EncodedQueries
from service.core.segments import Segment, cut_segments

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class RecordingPart:
    """Similarities of a query with consecutive frames of a recording.

    Attributes:
        similarity: Similarities of the query with the frames of the part, shape (F,), F at least 1.
        first_frame: Index of the first frame of the part in the recording.
        n_frames: T, the number of frames of the whole recording.
        duration_s: Length of the whole recording, which ends in frame T - 1.
    """

    similarity: Float32
    first_frame: int
    n_frames: int
    duration_s: float

    @property
    def end_frame(self) -> int:
        """Index of the frame after the part."""
        return self.first_frame + len(self.similarity)


@dataclass(frozen=True, slots=True)
class PartSegments:
    """The segments of a query in a part of a recording.

    Attributes:
        segments: The segments that are as in the whole recording.
        open_before: The segments that need frames before the part, as they are without these frames.
        open_after: The segments that need frames after the part, as they are without these frames.
    """

    segments: tuple[Segment, ...]
    open_before: tuple[Segment, ...]
    open_after: tuple[Segment, ...]


def localize_part(
    part: RecordingPart, encoded: EncodedQueries, manifest: Manifest, postprocessing: Postprocessing
) -> PartSegments:
    """Computes the segments of one query in a part of a recording.

    Args:
        part: The similarities.
        encoded: The query, as the text tower or examples encode it; Q is 1.
        manifest: The manifest of the bundle, which holds the frame grid and the calibration.
        postprocessing: How scores become segments.
    """
    grid = manifest.grid
    evidence = encoded.evidence(part.similarity[None])  # (1, F)
    curves = score_curves(evidence, manifest.calibration, grid, postprocessing)
    smoothed, extended = curves.smoothed[0], curves.extended[0]  # (F,)
    if extended.max() <= postprocessing.threshold:
        return PartSegments((), (), ())
    half = grid.odd_frames_for(postprocessing.median_filter_s) // 2
    first = 0 if part.first_frame == 0 else min(half, len(smoothed))
    end = len(smoothed) if part.end_frame == part.n_frames else max(len(smoothed) - half, 0)
    reach = np.flatnonzero(postprocessing.extension(grid).ceiling(smoothed) > postprocessing.threshold_off)  # (R,)
    gap_frames = grid.frames_for(postprocessing.merge_gap_s)
    # a short segment may be the end of a long one outside the part
    any_length = replace(postprocessing, min_duration_s=0.0)
    found = cut_segments(extended, smoothed, _edges(part, grid), gap_frames, any_length)
    closed, open_before, open_after = list[Segment](), list[Segment](), list[Segment]()
    for segment in found:
        begins, stops = grid.frames_touched(segment.onset_s, segment.offset_s)
        begins, stops = begins - part.first_frame, min(stops - part.first_frame, len(smoothed))
        before = part.first_frame > 0 and not _has_gap(reach, first - 1, begins, gap_frames)
        after = part.end_frame < part.n_frames and not _has_gap(reach, stops - 1, end, gap_frames)
        if before:
            open_before.append(segment)
        if after:
            open_after.append(segment)
        if not before and not after and segment.lasts(postprocessing.min_duration_s):
            closed.append(segment)
    return PartSegments(tuple(closed), tuple(open_before), tuple(open_after))


def _edges(part: RecordingPart, grid: FrameGrid) -> NDArray[np.float64]:
    """Boundaries of the frames of the part in seconds, shape (F + 1,), as `FrameGrid.edges` gives them for the recording."""
    edges = np.arange(part.first_frame, part.end_frame + 1) * grid.hop_samples / grid.sample_rate_hz
    if part.end_frame == part.n_frames:
        edges[-1] = part.duration_s
    return edges


def _has_gap(reach: NDArray[np.int64], first: int, last: int, gap_frames: int) -> bool:
    """Whether more than `gap_frames` frames in a row, between the frames `first` and `last`, are in no segment's reach."""
    between = reach[(reach > first) & (reach < last)]
    edges = np.concatenate([[first], between, [last]])
    return bool((np.diff(edges) - 1 > gap_frames).any())
