"""A part of a file as FFmpeg sees it, and facts about it that FFmpeg does not report."""

import contextlib
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from service.engine.mpeg_frames import info_frame_duration_s

_OGG_SEARCHED_BYTES = 1 << 17
_OGG_HEADER_BYTES = 27
_MAX_BOXES = 10_000


class ClipView:
    """The bytes of a file from one position to another, as a file; FFmpeg reads a clip through it.

    A seek to an impossible position, as damage may cause, goes to the nearest possible one.
    """

    def __init__(self, clip: BinaryIO, start: int, end: int) -> None:
        self._clip, self._start, self._end = clip, start, end
        clip.seek(start)

    def __len__(self) -> int:
        return self._end - self._start

    def read(self, n_bytes: int = -1) -> bytes:
        """Reads at most `n_bytes` bytes, all that are left if it is negative."""
        n_left = max(0, self._end - self._clip.tell())
        return self._clip.read(n_left if n_bytes < 0 else min(n_bytes, n_left))

    def tell(self) -> int:
        """Current position."""
        return self._clip.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a position and returns it."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell()}.get(whence, len(self))
        with contextlib.suppress(ValueError, OSError, OverflowError):
            self._clip.seek(self._start + min(max(0, origin + offset), len(self)))
        return self.tell()

    def mp3_header_s(self) -> float | None:
        """Length of an MP3 that begins with a frame which gives it (Xing, Info), in seconds; None without such a frame."""
        self.seek(0)
        return info_frame_duration_s(self.read(512))

    def ogg_end(self) -> tuple[bool, int]:
        """Whether the last page of an Ogg clip is complete and marked as the end of its stream, and the page's end."""
        first = self.seek(max(0, len(self) - _OGG_SEARCHED_BYTES))
        content = self.read(_OGG_SEARCHED_BYTES)
        last = content.rfind(b"OggS\0")
        page = content[last:] if last >= 0 else b""
        if len(page) < _OGG_HEADER_BYTES:
            return False, len(self)
        sizes = page[_OGG_HEADER_BYTES:][: page[_OGG_HEADER_BYTES - 1]]
        n_bytes = _OGG_HEADER_BYTES + len(sizes) + sum(sizes)
        return bool(page[5] & 4) and len(page) >= n_bytes, first + last + n_bytes

    def mp4_end(self) -> int:
        """Position behind the last box of an MP4 clip; another clip, or something else, may follow."""
        ends = [end for _, end in self._mp4_boxes()]
        return min(ends[-1], len(self)) if ends else len(self)

    def has_mp4_index(self) -> bool:
        """Whether an MP4 clip has the box "moov", which says where the sound lies and is often the last of the file."""
        return any(name == b"moov" for name, _ in self._mp4_boxes())

    def _mp4_boxes(self) -> Iterator[tuple[bytes, int]]:
        """Yields the name and the end of each box of the first MP4 clip."""
        position = 0
        for _ in range(_MAX_BOXES):
            self.seek(position)
            header = self.read(16)
            if len(header) < 8:
                return
            n_bytes, name = struct.unpack_from(">I4s", header)
            if not (name.isascii() and name.decode().isprintable()) or (position > 0 and name == b"ftyp"):
                return
            if n_bytes == 1 and len(header) == 16:
                (n_bytes,) = struct.unpack_from(">Q", header, 8)
            position = position + n_bytes if n_bytes >= 8 else len(self)
            yield name, position
