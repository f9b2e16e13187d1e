"""Serializes clip embeddings for other processes: header, warnings and frames, cut into parts. Pickle is never used."""

import hashlib
import hmac
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from service.core.warnings import AnswerWarning
from service.engine.clip_embedding import ClipEmbedding
from service.engine.clip_warnings import warnings_from_bytes, warnings_to_bytes

VERSION = 2
"""Version of the format, in the header and in the keys."""
PART_BYTES = 1 << 20
"""Size of every part but the last."""
MAX_WARNING_BYTES = 1 << 19
"""Largest size of the warnings; the largest warnings that a clip may have take less."""

_MAGIC = b"EARMARK"
_DTYPE = np.dtype("<f2")
_TAG_BYTES = 32
_HEADER = struct.Struct(f"<7sB4sIIddI{_TAG_BYTES}s")
# magic, version, dtype, T, D, hop in s, duration in s, size of the warnings in bytes, tag
HEADER_BYTES = _HEADER.size
_ROUNDING_S = 1e-9


class BadValue(Exception):  # noqa: N818 - the name says what is wrong
    """The bytes are not an embedding that this code wrote for this clip."""


@dataclass(frozen=True, slots=True)
class ValueFormat:
    """Writes and reads the embeddings of one model. The first part starts with the header, which gives the total size.

    The header carries a tag over the name of the value, the header, the warnings and the frames. With a key, the tag is
    a keyed BLAKE2b digest, which only holders of the key can compute. Without a key, the tag is a CRC-32, which
    recognizes damage but no forgery.

    Attributes:
        dimension: Dimension D of the frame embeddings.
        hop_s: Time from one frame to the next, in seconds.
        key: Secret key of the tag; empty for none.
    """

    dimension: int
    hop_s: float
    key: bytes = field(default=b"", repr=False)

    @property
    def key_id(self) -> str:
        """Name of the secret key that does not reveal it, in hexadecimal digits; "open" without a key."""
        return hashlib.blake2b(b"id", key=self._derived_key, digest_size=8).hexdigest() if self.key else "open"

    def write(self, name: str, embedding: ClipEmbedding) -> list[memoryview]:
        """Serializes a clip's embedding to parts; each part but the last has PART_BYTES bytes.

        Args:
            name: Name of the value, which the tag covers: the ids of the model and of the clip.
            embedding: The embedding.
        """
        warnings = warnings_to_bytes(embedding.warnings)
        body = warnings + embedding.stored.astype(_DTYPE, copy=False).tobytes()
        facts = (len(embedding.stored), self.dimension, self.hop_s, embedding.duration_s, len(warnings))
        whole = memoryview(_pack(*facts, self._tag(name, _pack(*facts), body)) + body)
        return [whole[begin : begin + PART_BYTES] for begin in range(0, len(whole), PART_BYTES)]

    def read(self, name: str, parts: Sequence[bytes]) -> ClipEmbedding | None:
        """Deserializes a clip's embedding from its parts.

        Args:
            name: Name of the value that the parts were stored for; see `write`.
            parts: The parts in order; a missing part is empty. Any number of empty parts may follow.

        Returns:
            The embedding, or None if one of its parts is missing.

        Raises:
            BadValue: If the parts are not an embedding of this clip and this model, or if a frame is not finite and of
                unit norm.
        """
        if not self.is_whole(parts[0], [len(part) for part in parts]):
            return None
        _, _, _, n_frames, _, _, duration_s, n_warning_bytes, tag = _HEADER.unpack_from(parts[0])
        body = memoryview(b"".join(parts))[HEADER_BYTES : self._n_bytes(parts[0])]
        unsigned = _pack(n_frames, self.dimension, self.hop_s, duration_s, n_warning_bytes)
        if not hmac.compare_digest(tag, self._tag(name, unsigned, body)):
            raise BadValue("tag")
        warnings = _read_warnings(bytes(body[:n_warning_bytes]), duration_s)
        stored = np.frombuffer(body[n_warning_bytes:], _DTYPE).reshape(n_frames, self.dimension)  # (T, D)
        embedding = ClipEmbedding(stored.astype(np.float16, copy=False), duration_s, warnings)
        if not embedding.is_sound():
            raise BadValue("frames")
        return embedding

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
        n_parts = -(-n_bytes // PART_BYTES)
        sizes = part_sizes[:n_parts]
        if any(size not in (0, min(PART_BYTES, n_bytes - i * PART_BYTES)) for i, size in enumerate(sizes)):
            raise BadValue("size")
        return len(sizes) == n_parts and all(sizes)

    def _n_bytes(self, header: bytes) -> int:
        """Returns the total size of the value that starts with this header, in bytes."""
        if len(header) < HEADER_BYTES:
            raise BadValue("header")
        magic, version, dtype, n_frames, dimension, hop_s, duration_s, n_warning_bytes, _ = _HEADER.unpack_from(header)
        identity = (magic, version, dtype.rstrip(b"\0"), dimension, hop_s)
        if identity != (_MAGIC, VERSION, _DTYPE.str.encode(), self.dimension, self.hop_s):
            raise BadValue("header")
        last_begins_s, end_s = (n_frames - 1) * hop_s, n_frames * hop_s
        if not max(last_begins_s, 0) + _ROUNDING_S < duration_s <= end_s + _ROUNDING_S:  # true also for NaN
            raise BadValue("length")
        if n_warning_bytes > MAX_WARNING_BYTES:
            raise BadValue("warnings")
        return HEADER_BYTES + n_warning_bytes + n_frames * dimension * _DTYPE.itemsize

    @property
    def _derived_key(self) -> bytes:
        return hashlib.sha512(self.key).digest()

    def _tag(self, name: str, header: bytes, body: bytes | memoryview) -> bytes:
        """Tag that includes the name, so that a reply to the request for another clip is recognized as wrong."""
        start = name.encode() + header
        if not self.key:
            return zlib.crc32(body, zlib.crc32(start)).to_bytes(_TAG_BYTES, "little")
        digest = hashlib.blake2b(start, key=self._derived_key, digest_size=_TAG_BYTES)
        digest.update(body)
        return digest.digest()


def _pack(
    n_frames: int, dimension: int, hop_s: float, duration_s: float, n_warning_bytes: int, tag: bytes = b""
) -> bytes:
    """The header; without a tag, the bytes that the tag covers."""
    dtype = _DTYPE.str.encode()
    return _HEADER.pack(_MAGIC, VERSION, dtype, n_frames, dimension, hop_s, duration_s, n_warning_bytes, tag)


def _read_warnings(content: bytes, duration_s: float) -> tuple[AnswerWarning, ...]:
    """Deserializes warnings that may be malformed.

    Raises:
        BadValue: If the content is malformed, if a stretch does not lie in the clip, or if a text is not Unicode.
    """
    try:
        warnings = warnings_from_bytes(content)
        for warning in warnings:
            warning.message.encode()
            if warning.offset_s is not None and not warning.offset_s <= duration_s + 1:  # the end may be rounded
                raise BadValue("warnings")
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise BadValue("warnings") from error
    return warnings
