"""The second stage of a search: the segments around candidates, from the stored frames, as `POST /localize` computes them."""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.core.manifest import Manifest
from service.core.part_localization import RecordingPart, localize_part
from service.core.postprocessing import Postprocessing
from service.core.scoring import EncodedQueries
from service.core.segments import Segment
from service.library.frame_blocks import BLOCK_FRAMES, n_blocks
from service.library.frame_reader import BlockRange, Float16, read_ranges
from service.library.snapshot import Snapshot
from service.library.store import Library

WHOLE_BLOCKS = 4
"""Recordings of at most so many blocks are read as a whole."""
MAX_PART_BLOCKS = 1024
"""Blocks of a recording that an exact search reads at a time, as long as no segment is longer."""


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


Found = dict[tuple[int, float], Segment]
"""Segments by the row of their recording and their onset."""


@dataclass(slots=True)
class ExactStage:
    """Computes exact segments, and remembers which blocks it has read for the query.

    Attributes:
        library: The library.
        snapshot: The recordings that are searched.
        query: The query.
        found: The segments so far.
        gone: Rows of recordings that were removed during the search.
        read: Ranges of blocks that need no further look, by row.
    """

    library: Library
    snapshot: Snapshot
    query: ScoredQuery
    found: Found = field(default_factory=Found)
    gone: set[int] = field(default_factory=set[int])
    read: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def has_read(self, row: int, first_frame: int, end_frame: int) -> bool:
        """Whether the segments at these frames are known."""
        first, last = first_frame // BLOCK_FRAMES, max(first_frame, end_frame - 1) // BLOCK_FRAMES
        return row in self.gone or any(begin <= first and last < end for begin, end in self.read[row])

    def look_at(self, stretches: Sequence[tuple[int, int, int]]) -> None:
        """Finds the segments at stretches of frames: row of the recording, first frame, and frame after the stretch.

        Raises:
            LibraryDamaged: If frames are missing or damaged.
        """
        pending = [self._range_of(*stretch) for stretch in stretches]
        while pending:
            merged = _merged(pending)
            frames = read_ranges(self.library, [self._blocks(*each) for each in merged])
            pending = [wider for each in merged if (wider := self._localize(each, frames[self._blocks(*each)]))]

    def keep_best(self, top: int) -> None:
        """Forgets all but the segments with the highest scores."""
        if len(self.found) > top:
            best = heapq.nlargest(top, self.found.items(), key=lambda item: item[1].score)
            self.found = dict(best)

    def _range_of(self, row: int, first_frame: int, end_frame: int) -> tuple[int, int, int]:
        total = n_blocks(int(self.snapshot.n_frames[row]))
        if total <= WHOLE_BLOCKS:
            return row, 0, total
        margin = self.query.margin_frames
        begin = max(0, first_frame - margin) // BLOCK_FRAMES
        return row, begin, min(total, (end_frame + margin) // BLOCK_FRAMES + 1)

    def _blocks(self, row: int, begin: int, end: int) -> BlockRange:
        return BlockRange(int(self.snapshot.generations[row]), int(self.snapshot.n_frames[row]), begin, end)

    def _localize(self, blocks: tuple[int, int, int], frames: Float16 | None) -> tuple[int, int, int] | None:
        """Adds the segments of a range of blocks; returns a wider range if a segment goes on outside, otherwise None."""
        row, begin, end = blocks
        if frames is None:
            self.gone.add(row)
            return None
        n_frames = int(self.snapshot.n_frames[row])
        part = RecordingPart(frames, begin * BLOCK_FRAMES, n_frames, float(self.snapshot.durations_s[row]))
        query = self.query
        result = localize_part(part, query.encoded, query.manifest, query.postprocessing)
        self.found.update({(row, segment.onset_s): segment for segment in result.segments})
        if not result.is_open_before and not result.is_open_after:
            self.read[row].append((begin, end))
            return None
        more = end - begin
        return (
            row,
            max(0, begin - more) if result.is_open_before else begin,
            min(n_blocks(n_frames), end + more) if result.is_open_after else end,
        )


def _merged(ranges: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Joins ranges of the same recording that overlap or touch."""
    merged: list[tuple[int, int, int]] = []
    for row, begin, end in sorted(ranges):
        if merged and merged[-1][0] == row and begin <= merged[-1][2]:
            merged[-1] = (row, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((row, begin, end))
    return merged
