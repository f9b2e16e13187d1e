"""Blocks of frame embeddings, as a library stores them: rows of bounded size with a checksum.

Frames are stored in half precision, exactly as the service caches and scores them, so that a score from a library is the
score of `POST /localize`. One byte a number would halve the size, but changes scores by up to 0.037; see
`service.engine.clip_embedding.ClipEmbedding`.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_FRAMES = 64
"""Frames in a block; the last block of a recording may have fewer."""

Float16 = NDArray[np.float16]


class BlockDamaged(Exception):  # noqa: N818 - the name says what is wrong
    """The bytes of a block are not the bytes that were stored."""


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """A stored block of frames.

    Attributes:
        number: Index of the block in its recording; the block starts at frame `number * BLOCK_FRAMES`.
        content: The frames, little-endian half precision, row by row.
        crc32: Checksum of the content.
    """

    number: int
    content: bytes | memoryview
    crc32: int


def cut_blocks(frames: Float16) -> Iterator[FrameBlock]:
    """Cuts the frames of a recording, shape (T, D), into blocks."""
    for begin in range(0, len(frames), BLOCK_FRAMES):
        content = frames[begin : begin + BLOCK_FRAMES].astype("<f2", copy=False).tobytes()
        yield FrameBlock(begin // BLOCK_FRAMES, content, zlib.crc32(content))


def n_blocks(n_frames: int) -> int:
    """Number of blocks of a recording of `n_frames` frames."""
    return -(-n_frames // BLOCK_FRAMES)


def read_block(block: FrameBlock, n_frames: int, dimension: int) -> Float16:
    """Reads the frames of a block, shape (F, D).

    Args:
        block: The block as stored.
        n_frames: Number of frames of the whole recording.
        dimension: D, the dimension of the embeddings.

    Raises:
        BlockDamaged: If the size or the checksum is not that of the stored frames.
    """
    expected = min(BLOCK_FRAMES, n_frames - block.number * BLOCK_FRAMES)
    if (
        block.number < 0
        or expected < 1
        or len(block.content) != expected * dimension * 2
        or zlib.crc32(block.content) != block.crc32
    ):
        raise BlockDamaged(f"frames {block.number * BLOCK_FRAMES} to {block.number * BLOCK_FRAMES + expected}")
    return np.frombuffer(block.content, "<f2").reshape(expected, dimension).astype(np.float16, copy=False)
