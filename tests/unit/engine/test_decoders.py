import gc
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest

from service.core.errors import AudioTooLong, AudioUndecodable, DeadlineExceeded, DecoderUnavailable, UnsupportedAudio
from service.engine.call import Call, CallAbandoned
from service.engine.containers import identify
from service.engine.decoders import Decoders
from service.engine.decoding import decode
from tests.clips import wav

RATE_HZ = 16_000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 40 * RATE_HZ).astype(np.float32)


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    with closing(Decoders(1)) as opened:
        yield opened


def children() -> list[psutil.Process]:
    found = psutil.Process().children()
    while not all(child.cmdline() for child in found if child.status() != psutil.STATUS_ZOMBIE):
        time.sleep(0.001)  # one has only just begun
    return [child for child in found if "service.engine.decoder_process" in child.cmdline()]


def decoded(decoders: Decoders, clip: bytes, call: Call | None = None) -> np.ndarray:
    return np.concatenate(list(decoders.decode(BytesIO(clip), RATE_HZ, 60, call or Call())))


@pytest.mark.parametrize("seconds", [1, 40])
def test_a_clip_decodes_as_in_this_process(decoders: Decoders, seconds: int, tmp_path: Path) -> None:
    clip = wav(NOISE[: seconds * RATE_HZ])
    file = tmp_path / "clip.wav"
    file.write_bytes(clip)
    with file.open("rb") as opened:  # the longer one has more bytes than are sent
        there = np.concatenate(list(decoders.decode(opened, 22_050, 60, Call())))
    here = np.concatenate(list(decode(BytesIO(clip), identify(BytesIO(clip)), 22_050, 60)))
    np.testing.assert_array_equal(there, here)


def test_what_is_wrong_with_a_clip_is_told_and_the_process_goes_on(decoders: Decoders) -> None:
    (process,) = children()
    with pytest.raises(AudioTooLong, match="more than 1 s"):
        list(decoders.decode(BytesIO(wav(NOISE)), RATE_HZ, 1, Call()))
    with pytest.raises(UnsupportedAudio, match="text"):
        decoded(decoders, b"<html></html>")
    assert len(decoded(decoders, wav(NOISE[:100]))) == 100
    assert children() == [process]


def test_a_process_that_is_killed_costs_its_clip_only(decoders: Decoders) -> None:
    (process,) = children()
    process.send_signal(signal.SIGSTOP)
    threading.Timer(0.1, process.kill).start()
    with pytest.raises(AudioUndecodable, match="WAV float but cannot be decoded: its decoder crashed"):
        decoded(decoders, wav(NOISE[:100]))
    assert len(children()) == 1  # another is there already
    assert len(decoded(decoders, wav(NOISE[:100]))) == 100


def test_a_process_that_was_killed_before_costs_nothing(decoders: Decoders) -> None:
    (process,) = children()
    process.kill()
    process.wait()
    assert len(decoded(decoders, wav(NOISE[:100]))) == 100


def test_a_process_that_hangs_is_ended_at_the_deadline(decoders: Decoders) -> None:
    (process,) = children()
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(DeadlineExceeded):
        decoded(decoders, wav(NOISE[:100]), Call(timeout_s=0.1))
    assert not process.is_running()


def test_a_process_that_hangs_while_it_is_sent_a_clip_is_ended() -> None:
    with closing(Decoders(1, message_timeout_s=1)) as impatient:
        (process,) = children()
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(AudioUndecodable):
            decoded(impatient, wav(NOISE[: 15 * RATE_HZ]))  # more than a socket buffers
        assert not process.is_running()


def test_what_ends_the_service_leaves_it_its_processes(decoders: Decoders) -> None:
    decoders.check()
    (process,) = children()
    process.terminate()  # as systemd does to all of a service's processes
    assert len(decoded(decoders, wav(NOISE[:100]))) == 100
    assert children() == [process]


def test_another_package_of_the_same_name_does_not_come_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    with closing(Decoders(1)) as there:
        there.check()


def test_a_start_without_working_processes_is_refused(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with closing(Decoders(1)) as broken, pytest.raises(DecoderUnavailable, match="its decoder crashed"):
        broken.check()


def test_a_call_that_is_abandoned_ends_its_process_at_once(decoders: Decoders) -> None:
    (process,) = children()
    process.send_signal(signal.SIGSTOP)
    call = Call()
    threading.Timer(0.1, call.abandon).start()
    began = time.monotonic()
    with pytest.raises(CallAbandoned):
        decoded(decoders, wav(NOISE[:100]), call)
    assert time.monotonic() - began < 1
    assert not process.is_running()
    assert len(children()) == 1


def test_a_clip_that_nobody_reads_on_ends_its_process(decoders: Decoders) -> None:
    (process,) = children()
    with closing(decoders.decode(BytesIO(wav(NOISE)), RATE_HZ, 60, Call())) as blocks:
        next(blocks)
    assert not process.is_running()


def test_memory_is_bounded(decoders: Decoders) -> None:
    (process,) = children()
    decoded(decoders, wav(NOISE[:100]))
    soft, hard = process.rlimit(psutil.RLIMIT_AS)
    assert soft == hard == 1 << 30
    assert process.memory_info().vms < hard / 2


def test_a_busy_process_gets_help_that_goes_again(decoders: Decoders) -> None:
    with closing(decoders.decode(BytesIO(wav(NOISE)), RATE_HZ, 60, Call())) as busy:
        next(busy)
        assert len(decoded(decoders, wav(NOISE[:100]))) == 100
        assert len(children()) == 2
        list(busy)
    assert len(children()) == 1


def test_no_setting_and_so_no_secret_reaches_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_REDIS_URL", "redis://:secret@host")
    with closing(Decoders(1)):
        (process,) = children()
        assert not any(name.startswith("EARMARK_") for name in process.environ())


def test_closing_ends_all_processes_and_keeps_no_file_open(decoders: Decoders) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with closing(Decoders(2)) as more:
        decoded(more, wav(NOISE[:100]))
    gc.collect()
    assert len(children()) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before
