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
    timeline.failed(b"")
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
        timeline.decoded(part, 0.026)
    assert timeline.gap_s(PacketFacts(parts[24], None), 0.0) == pytest.approx(4 * 0.026)
    assert timeline.gap_s(PacketFacts(parts[25], None), 0.0) == 0


def test_a_whole_frame_that_fails_counts_as_one_and_a_tag_as_none() -> None:
    parts = frames()
    timeline = ByteTimeline(io.BytesIO(b"".join([*parts[:10], b"TAG" + bytes(125), *parts[10:]])))
    for part in parts[:9]:
        timeline.gap_s(PacketFacts(part, None), 0.0)
        timeline.decoded(part, 0.026)
    timeline.failed(parts[9])
    assert timeline.gap_s(PacketFacts(parts[10], None), 0.0) == pytest.approx(0.026)


def test_the_header_frame_of_an_appended_mp3_is_skipped() -> None:
    clip = av_encoded(chirps(1.0, 44_100), 44_100, "mp3", "libmp3lame", 128_000, None, {"id3v2_version": "0"})
    assert ByteTimeline(io.BytesIO(clip)).skip(clip[:417])
    assert not ByteTimeline(io.BytesIO(MP3)).skip(frames()[0])


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


def noted(timeline: ByteTimeline, part: bytes, behind: bytes) -> tuple[float, float, int, bool]:
    """The gap before a later packet, and what is known of the last packet, to compare two timelines."""
    gap_s = timeline.gap_s(PacketFacts(behind, None), 0.0)
    timeline.decoded(behind, 0.026)
    return gap_s, timeline.gap_s(PacketFacts(part, None), 0.0), timeline.end, timeline.is_cut


def test_a_run_of_packets_is_placed_as_its_packets_are_one_by_one() -> None:
    parts = frames()
    damaged = b"".join([*parts[:20], b"\x07" * sum(map(len, parts[20:23])), *parts[23:]])
    together, singly = ByteTimeline(io.BytesIO(damaged)), ByteTimeline(io.BytesIO(damaged))
    assert together.place_run(parts[:20], [0.026] * 20)
    for part in parts[:20]:
        assert singly.gap_s(PacketFacts(part, None), 0.0) == 0
        singly.decoded(part, 0.026)
    assert noted(together, parts[25], parts[23]) == noted(singly, parts[25], parts[23])


@pytest.mark.parametrize("lost", [range(9, 11), range(1)])
def test_packets_with_a_gap_between_or_before_them_are_no_run(lost: range) -> None:
    parts = frames()
    content = b"".join(b"\x07" * len(part) if number in lost else part for number, part in enumerate(parts))
    timeline, good = (
        ByteTimeline(io.BytesIO(content)),
        [part for number, part in enumerate(parts[:20]) if number not in lost],
    )
    assert not timeline.place_run(good, [0.026] * len(good))
    assert timeline.end == 0


def test_packets_behind_a_packet_that_failed_are_no_run() -> None:
    parts = frames()
    timeline = ByteTimeline(io.BytesIO(MP3))
    timeline.failed(parts[0])
    assert not timeline.place_run(parts[1:5], [0.026] * 4)
