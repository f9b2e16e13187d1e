"""How an embedding is written for other processes: a header and the frames, cut into parts; never pickled."""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.engine.clip_embedding import ClipEmbedding

VERSION = 1
PART_BYTES = 1 << 20

_MAGIC = b"EARMARK"
_DTYPE = np.dtype("<f2")
_HEADER = struct.Struct("<7sB4sIIddI")  # magic, version, dtype, T, D, hop in s, duration in s, CRC-32
HEADER_BYTES = _HEADER.size


class BadValue(Exception):  # noqa: N818 - it says what is wrong
    """What was read is no embedding that this code wrote for this clip."""


@dataclass(frozen=True, slots=True)
class ValueFormat:
    """Writes and reads embeddings of one model; the first part begins with the header, which tells how many follow.

    Attributes:
        dimension: D of the frames.
        hop_s: Seconds from one frame to the next.
    """

    dimension: int
    hop_s: float

    def write(self, clip_id: str, embedding: ClipEmbedding) -> list[memoryview]:
        """The parts of a clip's value, each of PART_BYTES but the last."""
        frames = embedding.stored.astype(_DTYPE, copy=False).tobytes()
        known = (len(embedding.stored), self.dimension, self.hop_s, embedding.duration_s)
        whole = memoryview(_pack(*known, _checksum(clip_id, _pack(*known, 0), frames)) + frames)
        return [whole[begin : begin + PART_BYTES] for begin in range(0, len(whole), PART_BYTES)]

    def read(self, clip_id: str, parts: Sequence[bytes]) -> ClipEmbedding | None:
        """Puts a clip's parts together.

        Args:
            clip_id: Whose value it is said to be.
            parts: In order, empty where there is none; any number of empty ones may follow.

        Returns:
            The embedding, or None if it or one of its parts is not there.

        Raises:
            BadValue: If the parts are something else.
        """
        if not self.is_whole(parts[0], [len(part) for part in parts]):
            return None
        _, _, _, n_frames, _, _, duration_s, checksum = _HEADER.unpack_from(parts[0])
        frames = memoryview(b"".join(parts))[HEADER_BYTES : self._n_bytes(parts[0])]
        if checksum != _checksum(clip_id, _pack(n_frames, self.dimension, self.hop_s, duration_s, 0), frames):
            raise BadValue("checksum")
        stored = np.frombuffer(frames, _DTYPE).reshape(n_frames, self.dimension)  # (T, D)
        return ClipEmbedding(stored.astype(np.float16, copy=False), duration_s)

    def is_whole(self, header: bytes, part_sizes: Sequence[int]) -> bool:
        """Whether all parts are there, told by the first one's beginning and all their sizes in bytes, 0 if missing.

        Raises:
            BadValue: If the header or a size cannot be.
        """
        if not header:
            return False
        n_bytes = self._n_bytes(header)
        expected = [min(PART_BYTES, n_bytes - begin) for begin in range(0, n_bytes, PART_BYTES)]
        sizes = part_sizes[: len(expected)]
        if any(size not in (0, whole) for size, whole in zip(sizes, expected, strict=False)):
            raise BadValue("size")
        return len(sizes) == len(expected) and all(sizes)

    def _n_bytes(self, header: bytes) -> int:
        """Bytes of the whole value that begins with this header."""
        if len(header) < HEADER_BYTES:
            raise BadValue("header")
        magic, version, dtype, n_frames, dimension, hop_s, duration_s, _ = _HEADER.unpack_from(header)
        told = (magic, version, dtype.rstrip(b"\0"), dimension, hop_s)
        if told != (_MAGIC, VERSION, _DTYPE.str.encode(), self.dimension, self.hop_s):
            raise BadValue("header")
        if n_frames == 0 or not (math.isfinite(duration_s) and duration_s > 0):
            raise BadValue("length")
        return HEADER_BYTES + n_frames * dimension * _DTYPE.itemsize


def _pack(n_frames: int, dimension: int, hop_s: float, duration_s: float, checksum: int) -> bytes:
    return _HEADER.pack(_MAGIC, VERSION, _DTYPE.str.encode(), n_frames, dimension, hop_s, duration_s, checksum)


def _checksum(clip_id: str, header: bytes, frames: bytes | memoryview) -> int:
    """Also of the clip's id, so that a reply that was meant for another question is not taken."""
    return zlib.crc32(frames, zlib.crc32(clip_id.encode() + header))
