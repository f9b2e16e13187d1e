import io
import os
import platform
import select
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.core.errors import AudioTooLong
from service.engine.call import Call
from service.engine.containers import identify
from service.engine.decoder_handle import FAILURES, DecoderHandle, DecoderRequest, clip_content
from service.engine.decoder_log import DecoderLog
from service.engine.decoder_process import MAX_MESSAGE_BYTES
from tests.clips import encoded, tones, wav

CLIP = wav(tones([("low", 0, 1)], 1.0))


@pytest.fixture
def handle() -> Iterator[DecoderHandle]:
    handle = DecoderHandle(clip_cpu_s=60, message_timeout_s=10, decoder_log=DecoderLog())
    yield handle
    handle.end()


def request(max_clip_s: float = 10) -> DecoderRequest:
    return DecoderRequest(CLIP, identify(io.BytesIO(CLIP)), 16_000, max_clip_s)


def test_a_process_decodes_several_clips_and_reports_errors_of_a_clip(handle: DecoderHandle) -> None:
    assert handle.missing is None
    for _ in range(2):
        samples = np.concatenate(list(handle.decode(request(), Call())))
        np.testing.assert_allclose(samples, tones([("low", 0, 1)], 1.0), atol=1e-3)
    assert handle.missing is not None
    with pytest.raises(AudioTooLong):
        list(handle.decode(request(max_clip_s=0.5), Call()))
    assert handle.is_alive


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc")
def test_a_process_keeps_its_memory_for_the_next_clip(handle: DecoderHandle) -> None:
    stat = Path(f"/proc/{handle._process.pid}/stat")
    clip = encoded(tones([("low", 0, 10)], 10.0), container="FLAC", subtype="PCM_16")
    flac = DecoderRequest(clip, identify(io.BytesIO(clip)), 16_000, 10)
    new_pages = list[int]()
    for _ in range(10):
        before = int(stat.read_text().rpartition(")")[2].split()[7])  # minor faults
        assert sum(map(len, handle.decode(flac, Call()))) == 160_000
        new_pages.append(int(stat.read_text().rpartition(")")[2].split()[7]) - before)
    assert np.median(new_pages[3:]) < 50  # the samples alone fill 156 pages


def test_ending_is_repeatable_and_a_later_clip_fails(handle: DecoderHandle) -> None:
    handle.end()
    handle.end()
    assert not handle.is_alive
    with pytest.raises(FAILURES):
        list(handle.decode(request(), Call()))


def test_a_process_that_is_alive_after_a_failure_is_killed(handle: DecoderHandle) -> None:
    assert handle.end_after_failure(ValueError("malformed")) is None
    assert not handle.is_alive


@pytest.fixture
def process_end(handle: DecoderHandle) -> Iterator[socket.socket]:
    """The other end of the socket from which the handle receives."""
    original, (ours, theirs) = handle._socket, socket.socketpair()
    handle._socket, handle._readable = ours, select.poll()
    handle._readable.register(ours, select.POLLIN)
    with original, theirs:
        yield theirs


def test_messages_arrive_whole_whatever_their_length(handle: DecoderHandle, process_end: socket.socket) -> None:
    messages = [b"", b"x", os.urandom(MAX_MESSAGE_BYTES)]
    stream = b"".join(struct.pack("!i", len(message)) + message for message in messages)
    sending = threading.Thread(target=process_end.sendall, args=[stream])
    sending.start()
    assert [handle._receive_bytes(Call()) for _ in messages] == messages
    sending.join()


@pytest.mark.parametrize("length", [-1, MAX_MESSAGE_BYTES + 1])
def test_a_message_of_an_impossible_length_is_malformed(
    handle: DecoderHandle, process_end: socket.socket, length: int
) -> None:
    process_end.sendall(struct.pack("!i", length))
    with pytest.raises(ValueError, match="bytes"):
        handle._receive_bytes(Call())


@pytest.mark.parametrize("received", [b"", b"\0\0", struct.pack("!i", 8) + b"SMPL"])
def test_a_process_that_ends_within_a_message_is_a_failure(
    handle: DecoderHandle, process_end: socket.socket, received: bytes
) -> None:
    process_end.sendall(received)
    process_end.close()
    with pytest.raises(EOFError):
        handle._receive_bytes(Call())


def test_a_small_clip_and_a_clip_in_memory_are_sent_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(CLIP)
    with path.open("rb") as file, clip_content(file) as content:
        assert content == CLIP
    large = bytes(2 << 20)
    with clip_content(io.BytesIO(large)) as content:
        assert content == large


def test_a_large_file_is_sent_as_a_read_only_descriptor_that_is_closed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(bytes(2 << 20))
    with path.open("r+b") as file:
        with clip_content(file) as content:
            assert isinstance(content, int)
            assert os.pread(content, 4, 0) == bytes(4)
            if os.path.exists("/proc/self/fd"):  # noqa: PTH110 - Linux only
                with pytest.raises(OSError, match="Bad file descriptor"):
                    os.write(content, b"x")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(content)
