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
    processes = psutil.Process().children()
    while not all(child.cmdline() for child in processes if child.status() != psutil.STATUS_ZOMBIE):
        time.sleep(0.001)  # a process has only just been started
    return [child for child in processes if "service.engine.decoder_process" in child.cmdline()]


def decoded(decoders: Decoders, clip: bytes, call: Call | None = None) -> np.ndarray:
    return np.concatenate(list(decoders.decode(BytesIO(clip), RATE_HZ, 60, call or Call())))


@pytest.mark.parametrize("seconds", [1, 40])
def test_a_clip_decodes_in_a_separate_process_as_in_this_process(
    decoders: Decoders, seconds: int, tmp_path: Path
) -> None:
    clip = wav(NOISE[: seconds * RATE_HZ])
    file = tmp_path / "clip.wav"
    file.write_bytes(clip)
    with file.open("rb") as opened:  # the longer clip has more bytes than are copied to the process
        separate = np.concatenate(list(decoders.decode(opened, 22_050, 60, Call())))
    here = np.concatenate(list(decode(BytesIO(clip), identify(BytesIO(clip)), 22_050, 60)))
    np.testing.assert_array_equal(separate, here)


def test_an_audio_error_is_passed_on_and_the_process_is_used_again(decoders: Decoders) -> None:
    (process,) = children()
    with pytest.raises(AudioTooLong, match="more than 1 s"):
        list(decoders.decode(BytesIO(wav(NOISE)), RATE_HZ, 1, Call()))
    with pytest.raises(UnsupportedAudio, match="text"):
        decoded(decoders, b"<html></html>")
    assert len(decoded(decoders, wav(NOISE[:100]))) == 100
    assert children() == [process]


def test_a_process_that_is_killed_fails_only_its_clip(decoders: Decoders) -> None:
    (process,) = children()
    process.send_signal(signal.SIGSTOP)
    threading.Timer(0.1, process.kill).start()
    with pytest.raises(AudioUndecodable, match="WAV float but cannot be decoded: its decoder crashed"):
        decoded(decoders, wav(NOISE[:100]))
    assert len(children()) == 1  # another process has been started already
    assert len(decoded(decoders, wav(NOISE[:100]))) == 100


def test_a_process_that_was_killed_while_idle_fails_no_clip(decoders: Decoders) -> None:
    (process,) = children()
    process.kill()
    process.wait()
    assert len(decoded(decoders, wav(NOISE[:100]))) == 100


def test_a_process_that_hangs_is_killed_at_the_deadline(decoders: Decoders) -> None:
    (process,) = children()
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(DeadlineExceeded):
        decoded(decoders, wav(NOISE[:100]), Call(timeout_s=0.1))
    assert not process.is_running()


def test_a_process_that_hangs_while_it_receives_a_clip_is_killed() -> None:
    with closing(Decoders(1, message_timeout_s=1)) as impatient:
        (process,) = children()
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(AudioUndecodable):
            decoded(impatient, wav(NOISE[: 15 * RATE_HZ]))  # more than a socket buffers
        assert not process.is_running()


def test_a_termination_signal_does_not_end_the_processes(decoders: Decoders) -> None:
    decoders.check()
    (process,) = children()
    process.terminate()  # systemd sends SIGTERM to all processes of a service
    assert len(decoded(decoders, wav(NOISE[:100]))) == 100
    assert children() == [process]


def test_a_package_of_the_same_name_in_the_working_directory_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    with closing(Decoders(1)) as decoders:
        decoders.check()


def test_check_fails_if_no_process_works(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with closing(Decoders(1)) as broken, pytest.raises(DecoderUnavailable, match="its decoder crashed"):
        broken.check()


def test_abandoning_a_call_kills_its_process_at_once(decoders: Decoders) -> None:
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


def test_a_clip_that_is_not_read_to_its_end_kills_its_process(decoders: Decoders) -> None:
    (process,) = children()
    with closing(decoders.decode(BytesIO(wav(NOISE)), RATE_HZ, 60, Call())) as blocks:
        next(blocks)
    assert not process.is_running()


def test_the_memory_of_a_process_is_bounded(decoders: Decoders) -> None:
    (process,) = children()
    decoded(decoders, wav(NOISE[:100]))
    soft, hard = process.rlimit(psutil.RLIMIT_AS)
    assert soft == hard == 1 << 30
    assert process.memory_info().vms < hard / 2


def test_while_all_processes_are_busy_another_is_started_and_ended_afterwards(decoders: Decoders) -> None:
    with closing(decoders.decode(BytesIO(wav(NOISE)), RATE_HZ, 60, Call())) as busy:
        next(busy)
        assert len(decoded(decoders, wav(NOISE[:100]))) == 100
        assert len(children()) == 2
        list(busy)
    assert len(children()) == 1


def test_no_setting_and_thus_no_secret_reaches_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_REDIS_URL", "redis://:secret@host")
    with closing(Decoders(1)):
        (process,) = children()
        assert not any(name.startswith("EARMARK_") for name in process.environ())


def test_closing_ends_all_processes_and_closes_all_files(decoders: Decoders) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with closing(Decoders(2)) as more:
        decoded(more, wav(NOISE[:100]))
    gc.collect()
    assert len(children()) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before
