"""Similarity curves of a query over stored blocks: each block is read, and its similarities are computed, only once."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.core import scoring
from service.library.frame_blocks import BLOCK_FRAMES
from service.library.frame_reader import BlockRange, Float16, read_ranges
from service.library.snapshot import Snapshot
from service.library.store import Library

Float32 = NDArray[np.float32]
Blocks = tuple[int, int, int]
"""A range of blocks: row of the recording, number of the first block, and number after the last block."""

_CHUNK_FRAMES = 4096


class BlockCurves:
    """Computes similarity curves of one query over ranges of blocks.

    Args:
        library: The library.
        snapshot: The recordings that are searched.
        query: The query embedding, shape (1, D).
    """

    def __init__(self, library: Library, snapshot: Snapshot, query: Float32) -> None:
        self._library, self._snapshot, self._query = library, snapshot, query
        self._curves: dict[tuple[int, int], Float32] = {}
        self._gone: set[int] = set()

    def read(self, ranges: Sequence[Blocks]) -> list[Float32 | None]:
        """The curve of each range, shape (F,); None for a recording that was removed in the meantime.

        Raises:
            LibraryDamaged: If a block is missing or damaged.
        """
        unknown = [run for each in ranges for run in self._unknown(each)]
        if unknown:
            self._compute(unknown)
        return [None if row in self._gone else self._joined(row, begin, end) for row, begin, end in ranges]

    def _unknown(self, blocks: Blocks) -> Iterator[Blocks]:
        """The runs of blocks of a range whose curves are not known yet."""
        row, first, end = blocks
        for number in range(first, end + 1):
            if number == end or (row, number) in self._curves:
                if number > first:
                    yield row, first, number
                first = number + 1

    def _compute(self, runs: Sequence[Blocks]) -> None:
        generations, n_frames = self._snapshot.generations, self._snapshot.n_frames
        wanted = [BlockRange(int(generations[row]), int(n_frames[row]), begin, end) for row, begin, end in runs]
        frames = read_ranges(self._library, wanted)
        parts = [part for each in wanted if (part := frames[each]) is not None]
        similarities = iter(np.split(self._similarities(parts), np.cumsum([len(part) for part in parts])[:-1]))
        for (row, begin, _), each in zip(runs, wanted, strict=True):
            if frames[each] is None:
                self._gone.add(row)
                continue
            curve = next(similarities)
            for offset in range(0, len(curve), BLOCK_FRAMES):
                self._curves[row, begin + offset // BLOCK_FRAMES] = curve[offset : offset + BLOCK_FRAMES]

    def _similarities(self, parts: Sequence[Float16]) -> Float32:
        """Similarities with the frames of all parts, one part after another, shape (F,)."""
        curves = [scoring.similarity(chunk, self._query)[0] for chunk in _chunks(parts)]
        return np.concatenate([np.zeros(0, np.float32), *curves])

    def _joined(self, row: int, begin: int, end: int) -> Float32:
        return np.concatenate([self._curves[row, number] for number in range(begin, end)])


def _chunks(parts: Sequence[Float16]) -> Iterator[Float16]:
    """Joins parts, so that each product with the query has many frames but needs little memory."""
    waiting, n_frames = list[Float16](), 0
    for part in parts:
        waiting.append(part)
        n_frames += len(part)
        if n_frames >= _CHUNK_FRAMES:
            yield np.concatenate(waiting)
            waiting, n_frames = [], 0
    if waiting:
        yield np.concatenate(waiting)
