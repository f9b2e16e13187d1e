import io

import pytest

from service.engine.mpeg_frames import mp3_frame_bytes
from service.engine.timeline import ByteTimeline, PacketFacts, TimestampTimeline, flac_sample_number
from tests.av_clips import av_encoded, chirps


def timestamps(*, start_s: float | None = 0.0, end_s: float = 0.0) -> TimestampTimeline:
    return TimestampTimeline(start_s, end_s, tolerance_s=0.05, failed_tolerance_s=0.01)


def at(time_s: float | None) -> PacketFacts:
    return PacketFacts(b"", time_s)


def test_a_packet_in_its_place_leaves_no_gap_and_a_late_packet_does() -> None:
    timeline = timestamps()
    assert timeline.gap_s(at(0.0), 0.0) == 0
    assert timeline.gap_s(at(1.04), 1.0) == 0
    assert timeline.gap_s(at(2.5), 2.0) == 0.5
    assert timeline.gap_s(at(None), 3.0) == 0


def test_behind_a_failure_short_gaps_count() -> None:
    timeline = timestamps()
    timeline.failed(at(None))
    assert timeline.gap_s(at(1.04), 1.0) == pytest.approx(0.04)
    assert timeline.gap_s(at(1.04), 1.0) == 0


def test_the_first_timestamp_may_be_the_origin() -> None:
    timeline = timestamps(start_s=None)
    assert timeline.gap_s(at(500.0), 0.0) == 0
    assert timeline.gap_s(at(502.0), 1.0) == 1


def test_a_jump_back_moves_the_origin() -> None:
    timeline = timestamps()
    assert timeline.gap_s(at(0.0), 38.0) == 0
    assert timeline.gap_s(at(1.0), 39.0) == 0
    assert timeline.gap_s(at(3.0), 40.0) == 1


def test_a_long_jump_is_only_believed_within_the_length_of_the_header() -> None:
    assert timestamps(end_s=100).gap_s(at(90.0), 10.0) == 80
    assert timestamps(end_s=50).gap_s(at(90.0), 10.0) == 0
    assert timestamps().gap_s(at(90.0), 10.0) == 0


BARE = {"write_xing": "0", "id3v2_version": "0"}
MP3 = av_encoded(chirps(2.0, 44_100), 44_100, "mp3", "libmp3lame", 128_000, None, BARE)


def frames() -> list[bytes]:
    result, place = [], 0
    while place < len(MP3):
        length = mp3_frame_bytes(MP3[place : place + 4])
        result.append(MP3[place : place + length])
        place += length
    return result


def test_lost_bytes_become_lost_frames() -> None:
    parts = frames()
    content = b"".join([*parts[:20], b"\x07" * sum(map(len, parts[20:24])), *parts[24:]])
    timeline = ByteTimeline(io.BytesIO(content))
    for part in parts[:20]:
        assert timeline.gap_s(PacketFacts(part, None), 0.0) == 0
        timeline.decoded(PacketFacts(part, None), 0.026)
    assert timeline.gap_s(PacketFacts(parts[24], None), 0.0) == pytest.approx(4 * 0.026)
    assert timeline.gap_s(PacketFacts(parts[25], None), 0.0) == 0


def test_a_whole_frame_that_fails_counts_as_one_and_a_tag_as_none() -> None:
    parts = frames()
    timeline = ByteTimeline(io.BytesIO(b"".join([*parts[:10], b"TAG" + bytes(125), *parts[10:]])))
    for part in parts[:9]:
        timeline.gap_s(PacketFacts(part, None), 0.0)
        timeline.decoded(PacketFacts(part, None), 0.026)
    timeline.failed(PacketFacts(parts[9], None))
    assert timeline.gap_s(PacketFacts(parts[10], None), 0.0) == pytest.approx(0.026)


def test_the_header_frame_of_an_appended_mp3_is_skipped() -> None:
    clip = av_encoded(chirps(1.0, 44_100), 44_100, "mp3", "libmp3lame", 128_000, None, {"id3v2_version": "0"})
    assert ByteTimeline(io.BytesIO(clip)).skip(PacketFacts(clip[:417], None))
    assert not ByteTimeline(io.BytesIO(MP3)).skip(PacketFacts(frames()[0], None))


@pytest.mark.parametrize(
    ("coded", "number"),
    [
        (b"\x00", 0),
        (b"\x7f", 127),
        (b"\xc2\x80", 128),
        (b"\xe0\xa0\x80", 0x800),
        (b"\xf0\x90\x80\x80", 0x10000),
        (b"\xfe\x82\x80\x80\x80\x80\x80", 0x80000000),
    ],
)
def test_numbers_in_flac_frames(coded: bytes, number: int) -> None:
    assert flac_sample_number(b"\xff\xf8\xc5\x08" + coded + bytes(9), 4096) == number * 4096
    assert flac_sample_number(b"\xff\xf9\xc5\x08" + coded + bytes(9), 4096) == number  # blocks of variable size


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xff\xf8\xc5\x08", b"\0" * 20, *(b"\xff\xf8\xc5\x08" + first + bytes(9) for first in (b"\x80", b"\xff"))],
)
def test_a_damaged_flac_frame_has_no_number(frame: bytes) -> None:
    assert flac_sample_number(frame, 4096) is None
