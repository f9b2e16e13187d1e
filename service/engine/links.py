"""Splits a file into its links: the streams that follow each other, as in chained Ogg and appended FLAC."""

import re
from collections.abc import Iterator
from typing import BinaryIO

MAX_LINKS = 1024
_READ_BYTES = 1 << 20
_LONGEST_SIGNATURE = 64
_OGG_HEADER_BYTES = 27
_STARTS = {
    "FLAC": re.compile(rb"fLaC[\0\x80]\0\0\x22"),  # the signature and the header of STREAMINFO
    "Ogg": re.compile(rb"OggS\0\x02.{12}\0\0\0\0", re.DOTALL),  # the first page of a stream
    "WebM": re.compile(rb"\x1a\x45\xdf\xa3.{1,40}?\x42\x82.(?:webm|matroska)", re.DOTALL),  # the header and its type
    "AMR": re.compile(rb"#!AMR(?:-WB)?\n"),
}


def split_links(clip: BinaryIO, container: str, start: int, end: int) -> list[tuple[int, int]]:
    """Splits a clip into its links.

    Args:
        clip: The file; its position does not matter, and changes.
        container: Name of the container.
        start: Position of the clip's first byte.
        end: Position behind the file's last byte.

    Returns:
        Position of the first byte of each link, and the position behind its last byte. There are at most `MAX_LINKS`; the
        last holds the rest of the file.
    """
    kind = container.split()[0]
    starts = [start]
    if kind in _STARTS:
        before = start
        for place in list(_find_starts(clip, _STARTS[kind], start)):
            if place > start and not (kind == "Ogg" and _joins(clip, before, place)):
                starts.append(place)
            before = place
            if len(starts) == MAX_LINKS:
                break
    return list(zip(starts, [*starts[1:], end], strict=True))


def _find_starts(clip: BinaryIO, signature: re.Pattern[bytes], start: int) -> Iterator[int]:
    """Yields the positions of a signature, in order."""
    last, kept = -1, b""
    clip.seek(start)
    while content := clip.read(_READ_BYTES):
        first = start - len(kept)
        start += len(content)
        content = kept + content
        for match in signature.finditer(content):
            if first + match.start() > last:
                last = first + match.start()
                yield last
        kept = content[-_LONGEST_SIGNATURE:]


def _joins(clip: BinaryIO, before: int, place: int) -> bool:
    """Whether the first page of an Ogg stream follows directly behind that of another, so that they play together."""
    clip.seek(before)
    header = clip.read(_OGG_HEADER_BYTES + 255)
    n_segments = header[_OGG_HEADER_BYTES - 1]
    return before + _OGG_HEADER_BYTES + n_segments + sum(header[_OGG_HEADER_BYTES:][:n_segments]) == place
