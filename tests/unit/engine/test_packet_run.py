import io
from collections.abc import Iterator

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from service.engine.av_frames import samples_of
from service.engine.packet_run import PacketRun
from service.engine.sound_block import SoundBlock
from service.engine.timeline import ByteTimeline
from tests.av_clips import av_encoded, chirps

BARE = {"write_xing": "0", "id3v2_version": "0"}


def mp3(rate_hz: int = 16_000, seconds: float = 2.0) -> bytes:
    return av_encoded(chirps(seconds, rate_hz), rate_hz, "mp3", "libmp3lame", 64_000, None, BARE)


def decoded(content: bytes) -> Iterator[tuple[bytes, AudioFrame]]:
    with av.open(io.BytesIO(content), "r", format="mp3") as container:
        for packet in container.demux(container.streams.audio[0]):
            for frame in packet.decode():
                assert isinstance(frame, AudioFrame)
                yield bytes(packet), frame


def begun(content: bytes, file: bytes | None = None) -> tuple[PacketRun, list[tuple[bytes, AudioFrame]]]:
    """A run with the first packet, and all packets."""
    packets = list(decoded(content))
    run = PacketRun(ByteTimeline(io.BytesIO(content if file is None else file)))
    first, frame = packets[0]
    assert run.begin(first, SoundBlock(samples_of(frame), frame.sample_rate))
    return run, packets


def test_packets_are_collected_until_the_run_is_full_and_give_their_sound_at_once() -> None:
    run, packets = begun(mp3(seconds=6.0))
    n_packets = 1 + sum(run.add(*packet) for packet in packets[1:])
    assert n_packets == run.n_packets < len(packets)
    placed = run.place()
    assert placed is not None
    sound, durations_s = placed
    assert durations_s == [frame.samples / 16_000 for _, frame in packets[:n_packets]]
    np.testing.assert_array_equal(
        sound.samples, np.concatenate([samples_of(frame) for _, frame in packets[:n_packets]])
    )
    assert sound.rate_hz == 16_000
    assert run.n_packets == 0


def test_an_empty_run_and_a_run_of_another_format_take_no_packet() -> None:
    run, _ = begun(mp3())
    assert not run.add(*next(decoded(mp3(22_050))))
    stereo = np.zeros((4, 2), np.float32)
    assert PacketRun(ByteTimeline(io.BytesIO())).begin(b"x", SoundBlock(stereo, 16_000))
    assert not PacketRun(ByteTimeline(io.BytesIO())).add(*next(decoded(mp3())))


def test_a_packet_without_sound_begins_no_run() -> None:
    run = PacketRun(ByteTimeline(io.BytesIO()))
    assert not run.begin(b"x", SoundBlock(np.zeros((0, 1), np.float32), 16_000))
    assert run.n_packets == 0


@pytest.mark.parametrize("n_packets", [1, 5])
def test_packets_that_do_not_lie_in_the_file_one_behind_the_other_come_back(n_packets: int) -> None:
    run, packets = begun(mp3(), file=b"\x07" + mp3())
    for packet in packets[1:n_packets]:
        assert run.add(*packet)
    assert run.place() is None
    taken = run.take()
    assert [content for content, _ in taken] == [content for content, _ in packets[:n_packets]]
    for (_, block), (_, frame) in zip(taken, packets, strict=False):
        np.testing.assert_array_equal(block.samples, samples_of(frame))
    assert run.n_packets == 0
