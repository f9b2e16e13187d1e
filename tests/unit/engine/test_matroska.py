import io

import pytest

from service.engine.clip_view import ClipView
from service.engine.matroska import is_cut_off

EBML = bytes.fromhex("1a45dfa3") + b"\x82ab"
OPEN = b"\x01" + b"\xff" * 7
SEGMENT, CLUSTER, CUES = bytes.fromhex("18538067"), bytes.fromhex("1f43b675"), bytes.fromhex("1c53bb6b")
BLOCKS = b"\xe7\x81\x00" + 2 * (b"\xa3\x84abcd")


def cut_off(clip: bytes) -> bool:
    return is_cut_off(ClipView(io.BytesIO(clip), 0, len(clip)))


def sized(name: bytes, content: bytes) -> bytes:
    return name + bytes([0x80 | len(content)]) + content


@pytest.mark.parametrize(
    "clip",
    [
        EBML + SEGMENT + OPEN + CLUSTER + OPEN + BLOCKS,
        EBML + SEGMENT + OPEN + sized(CLUSTER, BLOCKS),
        EBML + sized(SEGMENT, sized(CLUSTER, BLOCKS)),
    ],
    ids=["open_cluster", "open_segment", "sizes"],
)
def test_a_file_that_ends_within_a_block_is_cut_off(clip: bytes) -> None:
    assert not cut_off(clip)
    assert all(cut_off(clip[:-lost]) for lost in range(1, 5))


def test_a_file_that_ends_between_clusters_is_cut_off_if_its_segment_has_a_size() -> None:
    first = sized(CLUSTER, BLOCKS)
    clip = EBML + sized(SEGMENT, first + sized(CLUSTER, BLOCKS))
    assert cut_off(clip[: -len(first)])


def test_a_file_that_ends_within_its_index_has_all_its_sound() -> None:
    clip = EBML + sized(SEGMENT, sized(CLUSTER, BLOCKS) + sized(CUES, b"index"))
    assert not cut_off(clip)
    assert not cut_off(clip[:-2])


@pytest.mark.parametrize("clip", [b"", b"\x1a", bytes(40), b"\xff" * 40, EBML, EBML + b"\0\0"])
def test_what_is_no_matroska_is_not_cut_off(clip: bytes) -> None:
    assert not cut_off(clip)
