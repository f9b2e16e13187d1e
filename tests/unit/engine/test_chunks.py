import io
import struct
from pathlib import Path

import pytest

from service.engine.chunks import MAX_CHUNKS, Chunk, ends_in_chunks, is_tag_or_padding, walk_iff, walk_long_chunks
from tests.av_clips import ID3V1, ape_tag, id3v2


def test_iff_chunks_are_walked_in_order() -> None:
    content = b"abcd\2\0\0\0xx" + b"efgh\3\0\0\0yyy\0" + b"ijkl\xff\xff\xff\xff"
    assert list(walk_iff(io.BytesIO(content), 0, "<")) == [
        Chunk(b"abcd", 8, 2),
        Chunk(b"efgh", 18, 3),
        Chunk(b"ijkl", 30, 2**32 - 1),
    ]


def test_the_walk_is_bounded() -> None:
    assert len(list(walk_iff(io.BytesIO(b"abcd\0\0\0\0" * 1000), 0, "<"))) == MAX_CHUNKS
    assert len(list(walk_long_chunks(io.BytesIO((b"abcd" + bytes(8)) * 1000), 0, "CAF"))) == MAX_CHUNKS


@pytest.mark.parametrize("n_bytes", [-1, -(2**63), 2**63 - 1])
def test_absurd_lengths_end_the_walk(n_bytes: int) -> None:
    for kind, content in (
        ("CAF", b"abcd" + struct.pack(">q", n_bytes)),
        ("W64", bytes(16) + struct.pack("<q", n_bytes)),
    ):
        assert len(list(walk_long_chunks(io.BytesIO(content + bytes(50)), 0, kind))) == 1


@pytest.mark.parametrize(
    ("rest", "ends"),
    [
        (b"", True),
        (bytes(999), True),
        (b"TAG" + bytes(125), True),
        (b"\0\0" + ape_tag() + ID3V1, True),
        (id3v2(70_000), True),
        (id3v2(50) + b"\xff\xfb", False),
        (b"x", False),
        (bytes(9) + b"RIFF", False),
    ],
)
def test_tags_and_padding(rest: bytes, ends: bool) -> None:
    assert is_tag_or_padding(io.BytesIO(b"1234" + rest), 4) is ends


def test_another_file_behind_the_chunks_is_not_a_chunk() -> None:
    assert ends_in_chunks(io.BytesIO(b"LIST\2\0\0\0ab"), 0, "<")
    assert not ends_in_chunks(io.BytesIO(b"LIST\2\0\0\0abRIFF\0\0\0\0WAVE"), 0, "<")
    assert not ends_in_chunks(io.BytesIO(b"LIST\2\0\0\0abdata\2\0\0\0ab"), 0, "<")
    assert not ends_in_chunks(io.BytesIO(b"SSND\0\0\0\2ab"), 0, ">")
    assert not ends_in_chunks(io.BytesIO(b"LIST\xff\0\0\0ab"), 0, "<")


def test_the_walk_ends_at_a_chunk_that_is_longer_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "clip"
    file.write_bytes(b"desc" + (1 << 61).to_bytes(8, "big") + bytes(50))  # a seek beyond 2**60 fails on a real file
    with file.open("rb") as clip:
        assert len(list(walk_long_chunks(clip, 0, "CAF"))) == 1
