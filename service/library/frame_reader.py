"""Reading of stored frames: any blocks of any recordings at once, with their checksums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.core.library_errors import LibraryDamaged
from service.library.frame_blocks import BlockDamaged, FrameBlock, read_block
from service.library.store import Library
from service.library.tables import reporting_damage

_BLOCKS_AT_A_TIME = 2000
Float16 = NDArray[np.float16]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Consecutive blocks of a recording.

    Attributes:
        generation: Generation of the recording.
        n_frames: Number of frames of the whole recording.
        begin: Number of the first block.
        end: Number after the last block.
    """

    generation: int
    n_frames: int
    begin: int
    end: int

    @property
    def ids(self) -> range:
        """The ids of the blocks."""
        return range(self.generation + self.begin, self.generation + self.end)


def read_ranges(library: Library, ranges: Sequence[BlockRange]) -> Mapping[BlockRange, Float16 | None]:
    """Reads the frames of ranges of blocks, shape (F, D) each, read-only; None for a recording that was removed meanwhile.

    Raises:
        LibraryDamaged: If a block is missing or damaged.
    """
    wanted = np.unique(np.concatenate([np.empty(0, np.int64), *(np.array(each.ids, np.int64) for each in ranges)]))
    blocks = _StoredBlocks()
    with reporting_damage(library.location):
        for begin in range(0, len(wanted), _BLOCKS_AT_A_TIME):
            blocks.add(library.blocks.read(wanted[begin : begin + _BLOCKS_AT_A_TIME]))
    return {each: _join(library, each, blocks) for each in ranges}


class _StoredBlocks:
    """Blocks as Arrow tables hold them. Their contents are not copied."""

    def __init__(self) -> None:
        self._contents: list[Bytes] = []
        self._places: dict[int, tuple[int, int, int, int]] = {}  # by id: index of contents, first byte, end byte, crc32

    def add(self, table: Any) -> None:
        """Adds the rows of an Arrow table of ids, checksums and contents."""
        for batch in table.to_batches():
            _, offsets, values = batch["frames"].buffers()
            begin = batch["frames"].offset
            ends = np.frombuffer(offsets, np.int64)[begin : begin + len(batch) + 1].tolist()
            ids, checksums = (batch[name].to_numpy().tolist() for name in ("block_id", "crc32"))
            index = len(self._contents)
            self._contents.append(np.frombuffer(values, np.uint8) if values is not None else np.empty(0, np.uint8))
            for block_id, crc32, first, end in zip(ids, checksums, ends[:-1], ends[1:], strict=True):
                self._places[block_id] = index, first, end, crc32

    def read(self, wanted: BlockRange, dimension: int) -> Float16:
        """The frames of a range, shape (F, D).

        Raises:
            KeyError: If a block is missing; its argument is the number of the block.
            BlockDamaged: If a block is damaged.
        """
        places: list[tuple[int, int, int]] = []
        parts: list[Float16] = []
        for number in range(wanted.begin, wanted.end):
            if wanted.generation + number not in self._places:
                raise KeyError(number)
            index, first, end, crc32 = self._places[wanted.generation + number]
            places.append((index, first, end))
            content = self._contents[index][first:end].data
            parts.append(read_block(FrameBlock(number, content, crc32), wanted.n_frames, dimension))
        follow = all(here[0] == after[0] and here[2] == after[1] for here, after in pairwise(places))
        if not follow:  # as after a compaction that has cut the blocks of the recording
            return np.concatenate(parts)
        return self._contents[places[0][0]][places[0][1] : places[-1][2]].view("<f2").reshape(-1, dimension)


def _join(library: Library, wanted: BlockRange, blocks: _StoredBlocks) -> Float16 | None:
    try:
        return blocks.read(wanted, library.model.dimension)
    except (BlockDamaged, KeyError) as error:
        rows = library.recordings(["path", "id"], f"generation = {wanted.generation}").to_pylist()
        if not rows:
            return None
        name, number = rows[0]["path"] or rows[0]["id"], str(error)
        reason = f"{error} of {name}" if isinstance(error, BlockDamaged) else f"block {number} of {name} is missing"
        raise LibraryDamaged(library.location, reason) from error
