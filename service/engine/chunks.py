"""Files that consist of chunks with a name and a length, such as RIFF, AIFF, W64 and CAF, and tags behind them."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_CHUNKS = 256
_W64_HEADER_BYTES, _W64_NAME_BYTES = 24, 4
_SEARCHED_BYTES = 1 << 16
_MAX_TAGS = 8
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk: its four-byte name, the position of its content, and the length that its header gives."""

    name: bytes
    offset: int
    n_bytes: int


def walk_iff(clip: BinaryIO, position: int, byte_order: str) -> Iterator[Chunk]:
    """Walks the chunks of a RIFF or IFF file from a position on; the file is at a chunk's content when it is yielded.

    Chunks have even lengths. Some programs forget the padding, so both places of the next chunk are tried.
    """
    for _ in range(MAX_CHUNKS):
        clip.seek(position)
        header = clip.read(8)
        if len(header) < 8 or not _is_name(header[:4]):
            return
        name, n_bytes = struct.unpack(f"{byte_order}4sI", header)
        yield Chunk(name, position + 8, n_bytes)
        position += 8 + n_bytes
        if n_bytes % 2:
            clip.seek(position + 1)
            padded = clip.read(4)
            clip.seek(position)
            position += 0 if _is_name(clip.read(4)) and not _is_name(padded) else 1


def walk_long_chunks(clip: BinaryIO, position: int, kind: str) -> Iterator[Chunk]:
    """Walks chunks with 64-bit lengths: those of "W64", whose names are GUIDs, or those of "CAF"."""
    end = clip.seek(0, os.SEEK_END)
    for _ in range(MAX_CHUNKS):
        clip.seek(position)
        if kind == "W64":
            header = clip.read(_W64_HEADER_BYTES)
            n_bytes = struct.unpack_from("<q", header, 16)[0] - len(header) if len(header) == _W64_HEADER_BYTES else -1
            following = position + len(header) + (n_bytes + 7) // 8 * 8
        else:
            header = clip.read(12)
            n_bytes = struct.unpack_from(">q", header, 4)[0] if len(header) == 12 else -1
            following = position + len(header) + n_bytes
        if len(header) < 12:
            return
        yield Chunk(header[:_W64_NAME_BYTES], position + len(header), n_bytes)
        if n_bytes < 0 or following > end:
            return
        position = following


def ends_in_chunks(clip: BinaryIO, position: int, byte_order: str | None) -> bool:
    """Whether a file has only further chunks of the same file, tags and padding behind a position.

    Args:
        clip: The file.
        position: Position behind the sound data.
        byte_order: Byte order of the lengths of IFF chunks; None if no such chunks can follow.
    """
    end = clip.seek(0, os.SEEK_END)
    if byte_order is not None:
        for chunk in walk_iff(clip, position, byte_order):
            if chunk.name in (b"RIFF", b"RIFX", b"RF64", b"FORM", b"data", b"SSND"):
                return False  # another file begins, or more sound, of which players play only the first part
            if chunk.offset + chunk.n_bytes > end:
                break
            position = chunk.offset + chunk.n_bytes
    return is_tag_or_padding(clip, position)


def is_tag_or_padding(clip: BinaryIO, position: int) -> bool:
    """Whether a file ends at a position, or only with a tag (ID3, APE, Lyrics3) or with zeros behind it."""
    for _ in range(_MAX_TAGS):
        clip.seek(position)
        content = clip.read(_SEARCHED_BYTES)
        rest = content.lstrip(b"\0")
        if not rest:
            return True
        position += len(content) - len(rest) + tag_bytes(rest)
        if not tag_bytes(rest):
            return False
    return True


def tag_bytes(content: bytes) -> int:
    """Length of the tag that bytes begin with, as its header gives it; 0 if they begin with no tag.

    A Lyrics3 tag has no length in front; it counts as the rest of what is searched.
    """
    if content.startswith(b"ID3") and len(content) >= 10:
        return id3_bytes(content)
    if content.startswith(b"APETAGEX") and len(content) >= 16:
        has_header = len(content) >= 24 and content[23] & 0xA0 == 0xA0  # this is the header, not a lonely footer
        return int.from_bytes(content[12:16], "little") + 32 if has_header else 32
    return 128 if content.startswith(b"TAG") else len(content) * content.startswith(b"LYRICS")


def id3_bytes(header: bytes) -> int:
    """Length of an ID3v2 tag with its header and footer, as the ten bytes of its header give it."""
    length = (header[6] & 127) << 21 | (header[7] & 127) << 14 | (header[8] & 127) << 7 | header[9] & 127
    return 10 + length + 10 * bool(header[5] & 16)  # with a footer


def is_tag(content: bytes) -> bool:
    """Whether bytes begin with a tag of a kind that players skip."""
    return content.startswith(_TAGS)


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and name.isascii() and name.decode().isprintable()
