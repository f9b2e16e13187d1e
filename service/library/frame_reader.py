"""Reading of stored frames: any blocks of any recordings in one query, with their checksums."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.library_errors import LibraryDamaged
from service.library.frame_blocks import BlockDamaged, FrameBlock, read_block
from service.library.store import Library
from service.library.tables import in_portions, number_list, reporting_damage

_BLOCKS_AT_A_TIME = 2000
Float16 = NDArray[np.float16]


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
    """Reads the frames of ranges of blocks, shape (F, D) each; None for a recording that was removed in the meantime.

    Raises:
        LibraryDamaged: If a block is missing or damaged.
    """
    wanted = sorted({block_id for each in ranges for block_id in each.ids})
    blocks: dict[int, tuple[bytes, int]] = {}
    with reporting_damage(library.location):
        for part in in_portions(wanted, _BLOCKS_AT_A_TIME):
            query = library.tables.frames.search().where(f"block_id IN {number_list(part)}")
            table = query.select(["block_id", "crc32", "frames"]).limit(2 * len(part)).to_arrow()
            columns = (table[name].to_pylist() for name in ("block_id", "crc32", "frames"))
            blocks.update({block_id: (content, crc32) for block_id, crc32, content in zip(*columns, strict=True)})
    return {each: _join(library, each, blocks) for each in ranges}


def _join(library: Library, wanted: BlockRange, blocks: Mapping[int, tuple[bytes, int]]) -> Float16 | None:
    try:
        return np.concatenate(list(_frames(library, wanted, blocks)))
    except (BlockDamaged, KeyError) as error:
        rows = library.recordings(["path", "id"], f"generation = {wanted.generation}").to_pylist()
        if not rows:
            return None
        name, number = rows[0]["path"] or rows[0]["id"], str(error)
        reason = f"{error} of {name}" if isinstance(error, BlockDamaged) else f"block {number} of {name} is missing"
        raise LibraryDamaged(library.location, reason) from error


def _frames(library: Library, wanted: BlockRange, blocks: Mapping[int, tuple[bytes, int]]) -> Iterable[Float16]:
    for number in range(wanted.begin, wanted.end):
        if wanted.generation + number not in blocks:
            raise KeyError(number)
        content, crc32 = blocks[wanted.generation + number]
        yield read_block(FrameBlock(number, content, crc32), wanted.n_frames, library.model.dimension)
