import contextlib
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

from service.core.errors import AudioTooLong, AudioUndecodable, DeadlineExceeded, DecoderLost, UnsupportedAudio
from service.core.start_errors import DecoderUnavailable
from service.engine.call import Call, CallAbandoned
from service.engine.containers import identify
from service.engine.decoder_counts import DecoderReport
from service.engine.decoders import Decoders
from service.engine.decoding import decode
from tests.clips import wav
from tests.hostile_decoder import hostile_executable, n_starts, with_order
from tests.repeating import repeating
from tests.waiting import wait_until

RATE_HZ = 16_000
NO_FAILURES = {"crashed": 0, "hung": 0, "killed": 0}
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 40 * RATE_HZ).astype(np.float32)


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    with closing(Decoders(1)) as opened:
        yield opened


def children() -> list[psutil.Process]:
    processes = psutil.Process().children()
    while not all(command_of(child) for child in processes if child.status() != psutil.STATUS_ZOMBIE):
        time.sleep(0.001)  # a process has only just been started
    return [child for child in processes if "service.engine.decoder_process" in command_of(child)]


def command_of(process: psutil.Process) -> list[str]:
    """Command line of a process; empty if the process has just been started or has ended."""
    try:
        return process.cmdline()
    except psutil.ZombieProcess:
        return []


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
    assert decoders.report() == DecoderReport(1, 0, 1, NO_FAILURES)


def test_a_clip_whose_process_is_killed_is_decoded_by_another(decoders: Decoders) -> None:
    (process,) = children()
    process.send_signal(signal.SIGSTOP)
    threading.Thread(target=lambda: (wait_until(lambda: decoders.report().n_busy), process.kill())).start()
    assert len(decoded(decoders, wav(NOISE[:100]))) == 100
    assert len(children()) == 1
    assert not process.is_running()
    assert decoders.report() == DecoderReport(1, 0, 2, NO_FAILURES | {"killed": 1})


def test_a_process_is_busy_while_it_decodes_a_clip(decoders: Decoders) -> None:
    blocks = decoders.decode(BytesIO(wav(NOISE)), RATE_HZ, 60, Call())
    next(blocks)
    assert decoders.report() == DecoderReport(1, 1, 1, NO_FAILURES)
    blocks.close()
    assert decoders.report() == DecoderReport(1, 0, 2, NO_FAILURES)  # an abandoned process is replaced


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoders]:
    """Decoders that follow the orders of `tests.hostile_decoder`."""
    monkeypatch.setattr(sys, "executable", hostile_executable(tmp_path))
    with closing(Decoders(1)) as opened:
        yield opened


FAULTS = ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGXCPU"]


@pytest.mark.parametrize("after_blocks", [0, 1, 3])
@pytest.mark.parametrize("signal_name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_clip_whose_first_process_dies_is_decoded_without_a_difference(
    hostile: Decoders, tmp_path: Path, signal_name: str, after_blocks: int
) -> None:
    clip = with_order(wav(NOISE), do="crash", signal_name=signal_name, attempts=[1], after_blocks=after_blocks * 20)
    here = np.concatenate(list(decode(BytesIO(wav(NOISE)), identify(BytesIO(wav(NOISE))), RATE_HZ, 60)))
    np.testing.assert_array_equal(decoded(hostile, clip), here)
    assert n_starts(tmp_path) == 2


@pytest.mark.parametrize("signal_name", FAULTS)
def test_a_clip_that_crashes_two_processes_cannot_be_decoded(
    hostile: Decoders, tmp_path: Path, signal_name: str
) -> None:
    with pytest.raises(AudioUndecodable, match="WAV float but cannot be decoded: its decoder crashed"):
        decoded(hostile, with_order(wav(NOISE[:100]), do="crash", signal_name=signal_name))
    assert len(decoded(hostile, wav(NOISE[:100]))) == 100
    assert n_starts(tmp_path) == 3
    assert hostile.report() == DecoderReport(1, 0, 3, NO_FAILURES | {"crashed": 2})


def test_a_clip_that_takes_too_much_memory_cannot_be_decoded(
    hostile: Decoders, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AudioUndecodable, match="took too much memory"):
        decoded(hostile, with_order(wav(NOISE[:100]), do="fail"))
    assert any("MemoryError: no more" in getattr(record, "line", "") for record in caplog.records)


def test_a_clip_whose_processes_are_killed_by_another_is_reported_as_not_the_fault_of_the_clip(
    hostile: Decoders,
) -> None:
    def kill_all() -> None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if "tests.hostile_decoder" in child.cmdline():
                    child.kill()

    with repeating(kill_all, every_s=0.02), pytest.raises(DecoderLost, match="signal 9"):
        decoded(hostile, with_order(wav(NOISE[:100]), do="hang"))
    assert len(decoded(hostile, wav(NOISE[:100]))) == 100


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_a_clip_whose_second_process_is_killed_is_reported_as_not_the_fault_of_the_clip(
    hostile: Decoders, signal_name: str
) -> None:
    with pytest.raises(DecoderLost, match=f"signal {int(signal.Signals[signal_name])}"):
        decoded(hostile, with_order(wav(NOISE[:100]), do="crash", signal_name=signal_name))


def test_a_process_that_has_used_much_cpu_time_is_replaced_between_clips(tmp_path: Path) -> None:
    with closing(Decoders(1, clip_cpu_s=1)) as decoders:
        pids: list[int] = []
        while len(set(pids)) < 3:
            assert len(decoded(decoders, wav(NOISE))) == len(NOISE)
            pids += [child.pid for child in children()]
    assert len(pids) > 3  # a process decodes more than one clip


def test_processes_that_cannot_be_started_are_reported(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    children()[0].kill()
    wait_until(lambda: all(child.status() == psutil.STATUS_ZOMBIE for child in psutil.Process().children()))
    with pytest.raises(DecoderLost, match="no process can be started: No such file"):
        decoded(decoders, wav(NOISE[:100]))
    monkeypatch.undo()
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
        assert impatient.report() == DecoderReport(1, 0, 2, NO_FAILURES | {"hung": 1})


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
    threading.Thread(target=lambda: (wait_until(lambda: decoders.report().n_busy), call.abandon())).start()
    with pytest.raises(CallAbandoned):
        decoded(decoders, wav(NOISE[:100]), call)
    assert decoders.report().failures == NO_FAILURES  # the process did not count as hanging before
    assert not process.is_running()
    assert len(children()) == 1


def test_a_clip_that_is_not_read_to_its_end_kills_its_process(decoders: Decoders) -> None:
    (process,) = children()
    with closing(decoders.decode(BytesIO(wav(NOISE)), RATE_HZ, 60, Call())) as blocks:
        next(blocks)
    assert not process.is_running()


def test_the_memory_of_a_process_is_far_below_its_limit(decoders: Decoders) -> None:
    (process,) = children()
    decoded(decoders, wav(NOISE[:100]))
    assert process.memory_info().vms < (1 << 30) / 2


def test_while_all_processes_are_busy_another_is_started_and_ended_afterwards(decoders: Decoders) -> None:
    with closing(decoders.decode(BytesIO(wav(NOISE)), RATE_HZ, 60, Call())) as busy:
        next(busy)
        assert len(decoded(decoders, wav(NOISE[:100]))) == 100
        assert len(children()) == 2
        list(busy)
    assert len(children()) == 1


def test_closing_ends_all_processes_and_closes_all_files(decoders: Decoders) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with closing(Decoders(2)) as more:
        decoded(more, wav(NOISE[:100]))
    gc.collect()
    assert len(children()) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before
