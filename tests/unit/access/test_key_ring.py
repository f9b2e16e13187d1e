import os
import signal
import threading
from pathlib import Path

import pytest

from service.access.key_ring import MAX_KEY_BYTES, KeyRing, Reloads
from service.access.keys import ApiKey, hash_of
from service.access.keys_file import add_key, remove_key
from service.core.start_errors import KeysFileInvalid
from tests.waiting import wait_until


def test_keys_are_found_by_their_text_only(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add_key(path, ApiKey("a", hash_of(b"secret")))
    ring = KeyRing(path)
    found = ring.find(b"secret")
    assert found is not None
    assert found.name == "a"
    for other in (b"", b"Secret", b"secret ", hash_of(b"secret").encode(), b"\xff" * 10, b"x" * (MAX_KEY_BYTES + 1)):
        assert ring.find(other) is None


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeysFileInvalid):
        KeyRing(tmp_path / "keys")


def test_a_broken_file_keeps_the_keys_until_it_is_repaired(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys"
    add_key(path, ApiKey("a", hash_of(b"a")))
    ring = KeyRing(path)
    good = path.read_text()
    path.write_text(good + "[b")
    ring.reload()
    assert ring.find(b"a") is not None
    assert ring.degraded() == ["keys-file"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    path.write_text(good)
    add_key(path, ApiKey("b", hash_of(b"b")))
    remove_key(path, "a")
    ring.reload()
    assert ring.degraded() == []
    assert (ring.find(b"a"), ring.names) == (None, {"b"})


def test_signals_before_and_during_the_block_call_the_function_in_another_thread() -> None:
    before = signal.getsignal(signal.SIGHUP)
    calls: list[str] = []
    try:
        reloads = Reloads()
        os.kill(os.getpid(), signal.SIGHUP)
        with reloads.calling(lambda: calls.append(threading.current_thread().name)):
            for _ in range(50):
                os.kill(os.getpid(), signal.SIGHUP)
            wait_until(lambda: len(calls) >= 2)
        assert set(calls) == {"keys-reload"}
        os.kill(os.getpid(), signal.SIGHUP)
        assert "keys-reload" not in {thread.name for thread in threading.enumerate()}
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_reading_that_crashes_does_not_end_the_next_ones(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def reload() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise MemoryError

    before = signal.getsignal(signal.SIGHUP)
    try:
        with Reloads().calling(reload):
            os.kill(os.getpid(), signal.SIGHUP)
            wait_until(lambda: "cannot be read again" in caplog.text)
            os.kill(os.getpid(), signal.SIGHUP)
            wait_until(lambda: len(calls) == 2)
    finally:
        signal.signal(signal.SIGHUP, before)
