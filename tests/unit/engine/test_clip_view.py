import io
import os
import struct

from service.engine.clip_view import ClipView
from tests.av_clips import av_encoded, chirps

SOUND = chirps(1.0, 48_000)


def view_of(content: bytes, start: int = 0) -> ClipView:
    return ClipView(io.BytesIO(content), start, len(content))


def test_it_reads_only_its_part_of_the_file() -> None:
    view = ClipView(io.BytesIO(b"0123456789"), 2, 7)
    assert (len(view), view.read(3), view.tell(), view.read(), view.read(5)) == (5, b"234", 3, b"56", b"")
    assert (view.seek(1), view.read(2)) == (1, b"34")
    assert (view.seek(-2, os.SEEK_END), view.read()) == (3, b"56")
    assert (view.seek(-3, os.SEEK_CUR), view.read(1)) == (2, b"4")


def test_a_seek_to_an_impossible_position_goes_to_the_nearest() -> None:
    view = ClipView(io.BytesIO(b"0123456789"), 2, 7)
    assert view.seek(-5) == 0
    assert view.seek(2**70) == 5
    assert view.seek(-(2**70), os.SEEK_END) == 0


def test_the_end_mark_of_ogg() -> None:
    clip = av_encoded(SOUND, 48_000, "ogg", "libopus")
    assert view_of(clip).ogg_end() == (True, len(clip))
    assert view_of(clip + b"x" * 900).ogg_end() == (True, len(clip))
    assert not view_of(clip[:-1]).ogg_end()[0]
    assert not view_of(clip[: clip.rindex(b"OggS")]).ogg_end()[0]
    assert not view_of(b"").ogg_end()[0]


def test_the_end_of_mp4() -> None:
    clip = av_encoded(SOUND, 48_000, "mp4", "aac")
    assert view_of(clip).mp4_end() == len(clip)
    assert view_of(clip + clip).mp4_end() == len(clip)
    assert view_of(clip + b"\1\2\3\4\5\6\7\xff" * 3).mp4_end() == len(clip)
    assert view_of(b"xx" + clip, 2).mp4_end() == len(clip)
    large = struct.pack(">I4sQ", 1, b"mdat", 24) + bytes(8)
    assert view_of(large + clip).mp4_end() == 24


def test_the_index_of_mp4() -> None:
    clip = av_encoded(SOUND, 48_000, "mp4", "aac")
    assert view_of(clip).has_mp4_index()
    assert not view_of(clip[: len(clip) // 2]).has_mp4_index()  # the index is the last box


def test_the_length_that_an_mp3_gives() -> None:
    clip = av_encoded(SOUND, 48_000, "mp3", "libmp3lame", 64_000, None, {"id3v2_version": "0"})
    assert round(view_of(clip).mp3_header_s() or 0, 3) == 1.0
    assert view_of(clip[200:]).mp3_header_s() is None
