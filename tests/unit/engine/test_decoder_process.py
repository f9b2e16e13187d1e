import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.warnings import AnswerWarning
from service.engine.clip_warnings import warnings_from_bytes
from service.engine.decoder_process import END, ERROR, MAX_MESSAGE_BYTES, SAMPLES, _messages
from tests.clips import generated, wav
from tests.waiting import PATIENCE_S

RATE_HZ = 16_000


@given(st.lists(st.integers(0, 100_000), max_size=6))
def test_messages_hold_the_blocks_in_order_and_stay_below_the_limit(lengths: list[int]) -> None:
    blocks = np.split(np.arange(sum(lengths), dtype=np.float32), np.cumsum(lengths)[:-1]) if lengths else []
    lost = AnswerWarning("sound-lost", "a frame is damaged", 1.0, 2.0)
    *messages, end = _messages(generated(blocks, lost))
    assert end.startswith(END)
    assert warnings_from_bytes(end[len(END) :]) == (lost,)
    samples = [np.frombuffer(message, np.float32, offset=len(SAMPLES)) for message in messages]
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.float32), *samples]), np.arange(sum(lengths)))
    assert all(message.startswith(SAMPLES) and len(message) <= MAX_MESSAGE_BYTES for message in messages)


@pytest.fixture
def process() -> Iterator[tuple["subprocess.Popen[bytes]", Connection]]:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "service.engine.decoder_process", str(theirs.fileno()), "60"]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=Path(__file__).parents[3]) as process:
        theirs.close()
        connection = Connection(ours.detach())
        yield process, connection
        process.kill()


def _send(connection: Connection, clip: bytes, max_clip_s: float) -> None:
    request = {"container": "WAV float", "sample_rate_hz": RATE_HZ, "max_clip_s": max_clip_s, "n_bytes": len(clip)}
    connection.send_bytes(json.dumps(request).encode())
    connection.send_bytes(clip)


def test_it_answers_with_samples_or_an_error_until_its_socket_is_closed(
    process: tuple["subprocess.Popen[bytes]", Connection],
) -> None:
    running, connection = process
    assert json.loads(connection.recv_bytes()) == {}  # no protection is missing
    samples = np.linspace(-0.5, 0.5, 1000, dtype=np.float32)
    _send(connection, wav(samples), max_clip_s=1)
    message = connection.recv_bytes()
    np.testing.assert_array_equal(np.frombuffer(message, np.float32, offset=len(SAMPLES)), samples)
    assert connection.recv_bytes() == END + b"[]"
    _send(connection, wav(samples), max_clip_s=0.01)
    message = connection.recv_bytes()
    assert message.startswith(ERROR)
    assert json.loads(message[len(ERROR) :]) == ["AudioTooLong", {"limit_s": 0.01}]
    connection.close()
    assert running.wait(PATIENCE_S) == 0
