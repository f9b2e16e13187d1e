"""Serializes clip embeddings for other processes: a header and the frames, cut into parts. Pickle is never used."""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.engine.clip_embedding import ClipEmbedding

VERSION = 1
"""Version of the format, in the header and in the keys."""
PART_BYTES = 1 << 20
"""Size of every part but the last."""

_MAGIC = b"EARMARK"
_DTYPE = np.dtype("<f2")
_HEADER = struct.Struct("<7sB4sIIddI")  # magic, version, dtype, T, D, hop in s, duration in s, CRC-32
HEADER_BYTES = _HEADER.size


class BadValue(Exception):  # noqa: N818 - the name says what is wrong
    """The bytes are not an embedding that this code wrote for this clip."""


@dataclass(frozen=True, slots=True)
class ValueFormat:
    """Writes and reads the embeddings of one model. The first part starts with the header, which gives the total size.

    Attributes:
        dimension: Dimension D of the frame embeddings.
        hop_s: Time from one frame to the next, in seconds.
    """

    dimension: int
    hop_s: float

    def write(self, clip_id: str, embedding: ClipEmbedding) -> list[memoryview]:
        """Serializes a clip's embedding to parts; each part but the last has PART_BYTES bytes."""
        frames = embedding.stored.astype(_DTYPE, copy=False).tobytes()
        header = (len(embedding.stored), self.dimension, self.hop_s, embedding.duration_s)
        whole = memoryview(_pack(*header, _checksum(clip_id, _pack(*header, 0), frames)) + frames)
        return [whole[begin : begin + PART_BYTES] for begin in range(0, len(whole), PART_BYTES)]

    def read(self, clip_id: str, parts: Sequence[bytes]) -> ClipEmbedding | None:
        """Deserializes a clip's embedding from its parts.

        Args:
            clip_id: Id of the clip that the parts were stored for.
            parts: The parts in order; a missing part is empty. Any number of empty parts may follow.

        Returns:
            The embedding, or None if one of its parts is missing.

        Raises:
            BadValue: If the parts are not an embedding of this clip and this model.
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
        """Whether all parts of an embedding are present.

        Args:
            header: The first bytes of the first part, at least HEADER_BYTES of them; empty if the part is missing.
            part_sizes: Size of each part in bytes; 0 for a missing part.

        Raises:
            BadValue: If the header or a size is impossible.
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
        """Returns the total size of the value that starts with this header, in bytes."""
        if len(header) < HEADER_BYTES:
            raise BadValue("header")
        magic, version, dtype, n_frames, dimension, hop_s, duration_s, _ = _HEADER.unpack_from(header)
        identity = (magic, version, dtype.rstrip(b"\0"), dimension, hop_s)
        if identity != (_MAGIC, VERSION, _DTYPE.str.encode(), self.dimension, self.hop_s):
            raise BadValue("header")
        if n_frames == 0 or not (math.isfinite(duration_s) and duration_s > 0):
            raise BadValue("length")
        return HEADER_BYTES + n_frames * dimension * _DTYPE.itemsize


def _pack(n_frames: int, dimension: int, hop_s: float, duration_s: float, checksum: int) -> bytes:
    return _HEADER.pack(_MAGIC, VERSION, _DTYPE.str.encode(), n_frames, dimension, hop_s, duration_s, checksum)


def _checksum(clip_id: str, header: bytes, frames: bytes | memoryview) -> int:
    """CRC-32 that includes the clip's id, so that a reply to the request for another clip is recognized as wrong."""
    return zlib.crc32(frames, zlib.crc32(clip_id.encode() + header))
