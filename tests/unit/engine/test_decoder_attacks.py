"""Attacks by a decoder that has been taken over: it is started as the service starts it, and runs code of a clip."""

import json
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from service.core.errors import AudioError, AudioTooLong, AudioUndecodable
from service.engine.call import Call
from service.engine.containers import identify
from service.engine.decoders import Decoders
from service.engine.decoding import decode
from tests.clips import encoded, wav
from tests.hostile_decoder import hostile_executable, n_starts, with_order

RATE_HZ = 16_000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 30 * RATE_HZ).astype(np.float32)
CLIP = wav(NOISE[:1000])
LARGE_CLIP = wav(NOISE)
FORMATS = [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS")]


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoders]:
    monkeypatch.setenv("EARMARK_REDIS_URL", "redis://:secret@host")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(sys, "executable", hostile_executable(tmp_path))
    with closing(Decoders(1)) as decoders:
        yield decoders


def decoded(decoders: Decoders, clip: bytes) -> np.ndarray:
    return np.concatenate(list(decoders.decode(BytesIO(clip), RATE_HZ, 60, Call())))


def outcome(decoders: Decoders, clip: bytes | Path, **order: Any) -> Any:
    """What the code reports that a clip runs in the decoder."""
    with (
        BytesIO(with_order(clip, **order)) if isinstance(clip, bytes) else clip.open("r+b") as opened,
        pytest.raises(AudioUndecodable) as error,
    ):
        list(decoders.decode(opened, RATE_HZ, 60, Call()))
    return json.loads(error.value.reason)


def assert_decodes_all_formats(decoders: Decoders) -> None:
    for container, subtype in FORMATS:
        clip = encoded(NOISE, 48_000, container, subtype, channels=2)
        here = np.concatenate(list(decode(BytesIO(clip), identify(BytesIO(clip)), RATE_HZ, 60)))
        np.testing.assert_array_equal(decoded(decoders, clip), here)


def test_every_attack_is_refused_and_the_same_process_still_decodes(hostile: Decoders, tmp_path: Path) -> None:
    bundle = tmp_path / "audio.onnx"
    bundle.write_bytes(b"model")
    bundle.chmod(0o666)
    tmp_path.chmod(0o777)
    with socket.create_server(("127.0.0.1", 0)) as server:
        facts = {"bundle": str(bundle), "port": server.getsockname()[1], "parent": os.getpid()}
        outcomes = outcome(hostile, CLIP, do="attack", **facts)
    assert len(outcomes) > 40
    assert {name: result for name, result in outcomes.items() if result != "EPERM"} == {}
    assert [bundle.read_bytes(), list(tmp_path.glob("audio*"))] == [b"model", [bundle]]
    assert_decodes_all_formats(hostile)
    assert n_starts(tmp_path) == 1


def test_the_kernel_refuses_every_system_call_that_is_not_allowed(hostile: Decoders, tmp_path: Path) -> None:
    assert outcome(hostile, CLIP, do="sweep") == {}
    assert_decodes_all_formats(hostile)
    assert n_starts(tmp_path) == 1


def test_the_file_of_a_large_clip_cannot_be_changed(hostile: Decoders, tmp_path: Path) -> None:
    file = tmp_path / "clip.wav"
    file.write_bytes(content := with_order(LARGE_CLIP, do="attack_clip"))
    outcomes = outcome(hostile, file)
    assert outcomes.keys() >= {"write", "truncate", "map"}
    assert set(outcomes.values()) <= {"EBADF", "EPERM"}
    assert file.read_bytes() == content


def test_a_file_that_cannot_be_opened_again_cannot_be_written_either(
    hostile: Decoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "clip.wav"
    file.write_bytes(content := with_order(LARGE_CLIP, do="attack_clip"))
    real = os.open

    def without_proc(path: str, *args: int) -> int:
        if str(path).startswith("/proc/self/fd"):
            raise FileNotFoundError
        return real(path, *args)

    monkeypatch.setattr(os, "open", without_proc)
    assert set(outcome(hostile, file).values()) <= {"EFBIG", "EPERM"}
    assert file.read_bytes() == content


def test_a_decoder_can_have_threads(hostile: Decoders) -> None:
    assert outcome(hostile, CLIP, do="thread") == [sum(range(100))]


def test_a_decoder_has_no_secret_and_no_descriptor_of_the_service(hostile: Decoders) -> None:
    report = outcome(hostile, CLIP, do="environment")
    assert set(report["names"]) <= {
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "LD_LIBRARY_PATH",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
        "OPENBLAS_NUM_THREADS",
        "PYTHONPATH",
    }
    assert len(report["descriptors"]) == 5  # three standard streams, and the socket twice


def test_a_decoder_runs_with_limits_and_not_as_root(hostile: Decoders) -> None:
    decoded(hostile, CLIP)
    (process,) = (child for child in psutil.Process().children() if "tests.hostile_decoder" in child.cmdline())
    assert 0 not in (*process.uids(), *process.gids())
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in status)}
    assert (fields["NoNewPrivs"], fields["Seccomp"], int(fields["CapEff"], 16)) == ("1", "2", 0)
    assert os.geteuid() != 0 or fields["Groups"] == ""
    limits = {line[:26].strip(): line[26:].split()[:2] for line in _limits(process.pid)}
    assert limits["Max address space"] == [str(1 << 30)] * 2
    assert limits["Max file size"] == limits["Max core file size"] == ["0", "0"]
    assert limits["Max open files"] == ["16", "16"]
    assert limits["Max cpu time"] == ["1200", "1205"]


def _limits(process_id: int) -> list[str]:
    """Lines of the limits of a process; another user's limits can be read there, but not with prlimit."""
    return Path(f"/proc/{process_id}/limits").read_text().splitlines()


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"SMPL" + np.full(10, np.nan, np.float32).tobytes(), id="samples that are not finite"),
        pytest.param(b"SMPLxyz", id="half a sample"),
        pytest.param(b"ERR [", id="malformed JSON"),
        pytest.param(b'ERR ["SystemExit", {}]', id="an error of another kind"),
        pytest.param(b'ERR ["AudioTooLong", {"limit_s": "x"}]', id="an error with data of another type"),
        pytest.param(b'ERR ["AudioTooLong", {"more": 1}]', id="an error with unknown data"),
        pytest.param(b'ERR ["AudioTooLong", 1]', id="an error without data"),
        pytest.param(b'END [["no-such-code", "text", 0, 1]]', id="an unknown warning"),
        pytest.param(b"END " + b"[" * 100_000, id="deep JSON"),
    ],
)
def test_a_malformed_answer_fails_the_clip(hostile: Decoders, message: bytes) -> None:
    with pytest.raises(AudioUndecodable, match="its decoder stopped answering"):
        decoded(hostile, with_order(CLIP, do="send", message=message.hex()))


def test_a_decoder_cannot_send_more_than_the_longest_clip(hostile: Decoders) -> None:
    with pytest.raises(AudioError) as error:
        list(hostile.decode(BytesIO(LARGE_CLIP), RATE_HZ, 10, Call()))
    assert isinstance(error.value, AudioTooLong)  # an honest decoder says so
    samples = (b"SMPL" + np.zeros(RATE_HZ * 12, np.float32).tobytes()).hex()
    with pytest.raises(AudioUndecodable):
        list(hostile.decode(BytesIO(with_order(CLIP, do="send", message=samples)), RATE_HZ, 10, Call()))


def test_what_a_decoder_prints_is_logged(hostile: Decoders, caplog: pytest.LogCaptureFixture) -> None:
    clip = with_order(CLIP, do="print", text="[mpg123] error\n{\x1b\xff")
    assert len(decoded(hostile, clip)) == 1000
    hostile.close()
    assert [record.__dict__["line"] for record in caplog.records] == ["[mpg123] error", r"{\x1b\xff"]


def test_a_decoder_that_prints_without_end_delays_nobody(hostile: Decoders, caplog: pytest.LogCaptureFixture) -> None:
    assert len(decoded(hostile, with_order(CLIP, do="print", text="line\n", times=1_000_000))) == 1000
    assert len(caplog.records) < 30


def test_a_platform_without_the_filter_is_named_once_and_clips_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", hostile_executable(tmp_path, "unsupported"))
    with closing(Decoders(2)) as decoders:
        decoders.check()
        decoded(decoders, CLIP)
        assert decoders.degraded() == ["decoder-sandbox"]
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.WARNING, "decoders run without a part of their sandbox")
    assert record.__dict__["missing"] == {"system call filter": "[Errno 38] Function not implemented"}


def test_with_all_of_the_sandbox_nothing_is_degraded(hostile: Decoders, caplog: pytest.LogCaptureFixture) -> None:
    hostile.check()
    assert hostile.degraded() == []
    assert not caplog.records
