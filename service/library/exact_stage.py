"""The second stage of a search: the segments around candidates, from the stored frames, as `POST /localize` computes them.

The frames around many candidates are read in one query, and their scores are computed in one go. The score of a moment is the
largest smoothed score of its segment. So a part of a recording whose largest score is below the scores of the best moments so far
needs no segments. Only segments that may be among the best are cut, and followed to their ends.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from service.core import scoring
from service.core.curves import smooth
from service.core.manifest import Manifest
from service.core.part_localization import RecordingPart, localize_part
from service.core.postprocessing import Postprocessing
from service.core.scoring import EncodedQueries
from service.core.segments import Segment
from service.library.block_curves import BlockCurves
from service.library.frame_blocks import BLOCK_FRAMES, n_blocks
from service.library.snapshot import Snapshot
from service.library.store import Library

Float32 = NDArray[np.float32]

WHOLE_BLOCKS = 4
"""Largest number of blocks of a recording that is read as a whole."""
MAX_PART_BLOCKS = 2048
"""Blocks of a recording that an exact search reads at a time, as long as no segment is longer."""
_WIDENED_BLOCKS = 128
"""Blocks by which all parts together grow at a time, where segments continue outside of their parts.

Each part grows by half of its length to twice its length: few parts quickly, because each read takes time; many parts slowly,
because most of them turn out to be short, or not to be among the best.
"""
_ROUNDING = 1e-5
"""Difference of scores that rounding may cause."""


@dataclass(frozen=True, slots=True)
class ScoredQuery:
    """A query and the settings with which its segments are computed.

    Attributes:
        encoded: The query; Q is 1.
        manifest: The manifest of the model.
        postprocessing: How scores become segments.
    """

    encoded: EncodedQueries
    manifest: Manifest
    postprocessing: Postprocessing

    @property
    def margin_frames(self) -> int:
        """Frames on each side of a candidate that its segment needs at least."""
        grid = self.manifest.grid
        half = grid.odd_frames_for(self.postprocessing.median_filter_s) // 2
        return half + grid.frames_for(self.postprocessing.merge_gap_s) + 2

    def peaks(self, curves: Sequence[Float32]) -> list[float]:
        """The largest smoothed score of each of some similarity curves, whose shapes are (F,); at least 1 curve."""
        half = self.manifest.grid.odd_frames_for(self.postprocessing.median_filter_s) // 2
        padded = [  # the end values are repeated, as the median filter does it
            np.concatenate([curve[:1].repeat(half), curve, curve[-1:].repeat(half)]) for curve in curves
        ]
        scores = scoring.score(self.encoded.evidence(np.concatenate(padded)[None]), self.manifest.calibration)
        smoothed = smooth(scores, self.manifest.grid, self.postprocessing)[0]
        begins = np.cumsum([0, *(len(curve) for curve in padded[:-1])])
        return np.maximum.reduceat(smoothed, begins).tolist()


Found = dict[tuple[int, float], Segment]
"""Segments by the row of their recording and their onset."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a recording that is looked at.

    Attributes:
        row: Row of the recording.
        first_frame: First frame that is looked at.
        end_frame: Frame after the last frame that is looked at.
        begin: First block that is read.
        end: Block after the last block that is read.
        peak: The largest smoothed score of these frames; -1 if it is not known yet.
    """

    row: int
    first_frame: int
    end_frame: int
    begin: int
    end: int
    peak: float = -1

    def joined(self, other: "_Place") -> "_Place":
        """One place for two places in the same recording."""
        return _Place(
            self.row,
            min(self.first_frame, other.first_frame),
            max(self.end_frame, other.end_frame),
            min(self.begin, other.begin),
            max(self.end, other.end),
            max(self.peak, other.peak),
        )


_Part = tuple[_Place, Float32]
"""A place and the similarity curve of its blocks, shape (F,)."""
_Open = tuple[_Place, bool, bool]
"""A place with a segment that continues before it or after it."""


@dataclass(slots=True)
class ExactStage:
    """Computes exact segments, and remembers which frames it has looked at for the query.

    Attributes:
        library: The library.
        snapshot: The recordings that are searched.
        query: The query.
        top: Number of moments that are wanted.
        found: The segments so far: all that are among the best of those looked at, and some more.
        gone: Rows of recordings that were removed during the search.
        read: Ranges of frames that need no further look, by row.
        curves: The similarity curves of the blocks that were read.
    """

    library: Library
    snapshot: Snapshot
    query: ScoredQuery
    top: int
    found: Found = field(default_factory=Found)
    gone: set[int] = field(default_factory=set[int])
    read: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    curves: BlockCurves = field(init=False)

    def __post_init__(self) -> None:
        self._forget_curves()

    def has_read(self, row: int, first_frame: int, end_frame: int) -> bool:
        """Whether nothing more can be learnt about these frames."""
        place = self._place(row, first_frame, end_frame)
        return row in self.gone or any(
            first <= place.first_frame and place.end_frame <= end for first, end in self.read[row]
        )

    def needed_score(self) -> float:
        """The score above which a segment is among the best so far."""
        return self._bound(())

    def look_at(self, stretches: Sequence[tuple[int, int, int]]) -> None:
        """Finds the segments at stretches of frames: row of the recording, first frame, and frame after the stretch.

        Raises:
            LibraryDamaged: If frames are missing or damaged.
        """
        parts = self._parts(_merged([self._place(*stretch) for stretch in stretches]))
        while parts:
            parts, wider = self._localize_best(parts)
            if not wider:
                break
            moved = {place.row for place in wider}  # places in the same recording may now overlap
            merged = _merged([*wider, *(place for place, _ in parts if place.row in moved)])
            parts = [*(part for part in parts if part[0].row not in moved), *self._parts(merged)]
        for place, _ in parts:  # no better segment is in them
            self.read[place.row].append((place.first_frame, place.end_frame))

    def keep_best(self) -> None:
        """Forgets all but the segments with the highest scores, so that memory does not grow with the frames that were read."""
        self._forget_curves()
        if len(self.found) > self.top:
            best = heapq.nlargest(self.top, self.found.items(), key=lambda item: item[1].score)
            self.found = dict(best)

    def _forget_curves(self) -> None:
        self.curves = BlockCurves(self.library, self.snapshot, self.query.encoded.embeddings)

    def _bound(self, open_peaks: Iterable[float]) -> float:
        """The score that a segment needs to be among the best, if each open peak belongs to a further segment."""
        scores = heapq.nlargest(self.top, [*(segment.score for segment in self.found.values()), *open_peaks])
        threshold = self.query.postprocessing.threshold
        return max(threshold, scores[-1]) if len(scores) == self.top else threshold

    def _place(self, row: int, first_frame: int, end_frame: int) -> _Place:
        n_frames, margin = int(self.snapshot.n_frames[row]), self.query.margin_frames
        first_frame, end_frame = max(0, first_frame - margin), min(n_frames, end_frame + margin)
        if n_blocks(n_frames) <= WHOLE_BLOCKS:
            return _Place(row, first_frame, end_frame, 0, n_blocks(n_frames))
        return _Place(row, first_frame, end_frame, first_frame // BLOCK_FRAMES, n_blocks(end_frame))

    def _parts(self, places: Sequence[_Place]) -> list[_Part]:
        """Reads the curves of places, and computes the peaks that are not known yet."""
        parts: list[_Part] = []
        ranges = [(place.row, place.begin, place.end) for place in places]
        for place, curve in zip(places, self.curves.read(ranges), strict=True):
            if curve is None:
                self.gone.add(place.row)
            else:
                parts.append((place, curve))
        new = [part for part in parts if part[0].peak < 0]
        peaks = self.query.peaks([_looked_at(*part) for part in new]) if new else []
        known = [part for part in parts if part[0].peak >= 0]
        return known + [(replace(place, peak=peak), curve) for (place, curve), peak in zip(new, peaks, strict=True)]

    def _localize_best(self, parts: Sequence[_Part]) -> tuple[list[_Part], list[_Place]]:
        """Adds the segments of the parts that may have some of the best.

        Returns:
            The other parts; and wider places for segments that continue outside of their parts.
        """
        left, opened, open_peaks = list[_Part](), list[_Open](), dict[int, float]()
        for place, curve in sorted(parts, key=lambda part: -part[0].peak):
            # a part waits while segments that continue may fill the ranking: fewer parts are followed in vain
            is_waiting = opened and self._n_better(place.peak) + len(opened) >= self.top
            needed = self._bound(open_peaks.values()) - _ROUNDING
            if is_waiting or place.peak < needed:
                left.append((place, curve))
            elif (more := self._localize(place, curve, needed)) is not None:
                opened.append(more)
                open_peaks[place.row] = max(place.peak, open_peaks.get(place.row, 0))
        return left, [self._wider(*each, n_blocks_more=_WIDENED_BLOCKS // len(opened)) for each in opened]

    def _n_better(self, peak: float) -> int:
        """Number of segments so far with a score of at least `peak`."""
        return sum(segment.score >= peak for segment in self.found.values())

    def _localize(self, place: _Place, curve: Float32, needed: float) -> _Open | None:
        """Adds the segments of a part.

        Args:
            place: The place.
            curve: The similarity curve of its blocks.
            needed: The score that a segment needs to be followed.

        Returns:
            The sides on which a segment at the frames that are looked at continues outside of the part; None if there is no such
            segment. Other segments that continue, in the neighbourhood, have candidates of their own.
        """
        n_frames, query = int(self.snapshot.n_frames[place.row]), self.query
        first_frame = place.begin * BLOCK_FRAMES
        part = RecordingPart(curve, first_frame, n_frames, float(self.snapshot.durations_s[place.row]))
        result = localize_part(part, query.encoded, query.manifest, query.postprocessing)
        self.found.update({(place.row, segment.onset_s): segment for segment in result.segments})

        def matters(segment: Segment) -> bool:
            begins, stops = query.manifest.grid.frames_touched(segment.onset_s, segment.offset_s)
            return segment.score >= needed and begins < place.end_frame and stops > place.first_frame

        is_open_before, is_open_after = (any(map(matters, side)) for side in (result.open_before, result.open_after))
        if is_open_before or is_open_after:
            return place, is_open_before, is_open_after
        if result.open_before or result.open_after:
            self.read[place.row].append((place.first_frame, place.end_frame))
        else:
            self.read[place.row].append((first_frame, first_frame + len(curve)))
        return None

    def _wider(self, place: _Place, is_open_before: bool, is_open_after: bool, *, n_blocks_more: int) -> _Place:
        """The place with more blocks on the sides on which a segment continues."""
        length = place.end - place.begin
        more = max(1, length // 2, min(2 * length, n_blocks_more))
        end = n_blocks(int(self.snapshot.n_frames[place.row]))
        return replace(
            place,
            begin=max(0, place.begin - more) if is_open_before else place.begin,
            end=min(end, place.end + more) if is_open_after else place.end,
        )


def _looked_at(place: _Place, curve: Float32) -> Float32:
    """The part of a curve that is looked at."""
    first_frame = place.begin * BLOCK_FRAMES
    return curve[place.first_frame - first_frame : place.end_frame - first_frame]


def _merged(places: Sequence[_Place]) -> list[_Place]:
    """Joins places of the same recording whose blocks overlap or touch."""
    merged: list[_Place] = []
    for place in sorted(places, key=lambda place: (place.row, place.begin, place.end)):
        if merged and merged[-1].row == place.row and place.begin <= merged[-1].end:
            merged[-1] = merged[-1].joined(place)
        else:
            merged.append(place)
    return merged
