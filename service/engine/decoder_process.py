"""A process that only decodes clips, one after another, for `service.engine.decoders`.

At its start the process sends a message: JSON that maps each protection of the sandbox that this platform does not
support to the reason. The service then sends two messages for each clip. The first is JSON, `{"container",
"sample_rate_hz", "max_clip_s", "n_bytes"}`; the second is the clip: its `n_bytes` bytes, or its file descriptor if
`n_bytes` is null. The process sends back messages of samples, and then a message with the warnings about the clip or with
an error, both as JSON.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Generator
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile  # pyright: ignore[reportMissingTypeStubs] - it ships none
from numpy.typing import NDArray

from service.core.errors import EarmarkError
from service.core.warnings import AnswerWarning
from service.engine.clip_warnings import warnings_to_bytes
from service.engine.containers import Container, identify
from service.engine.decoding import decode
from service.engine.sandbox import enter_sandbox

SAMPLES, END, ERROR = b"SMPL", b"END ", b"ERR "
"""First four bytes of a message, which give its kind. A sample has four bytes too, so the samples stay aligned."""
MAX_MESSAGE_BYTES = 1 << 21
_MESSAGE_BYTES = 960 << 10  # 15 s at 16 kHz: every message wakes up the service, so most short clips are one message
_WARM_UP_HZ = 8_000


def main(file_descriptor: int, clip_cpu_s: int) -> None:
    """Decodes clips that arrive through a Unix socket, until the service closes the socket.

    Args:
        file_descriptor: The socket.
        clip_cpu_s: CPU time that is available to every clip, in seconds. A process that has used more takes no further clip, and
            the process ends when it has used twice this time. So the limit needs no system call between clips.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the service ends this process once the current clip is decoded
    with contextlib.suppress(OSError):  # when memory runs out, Linux kills this process rather than the service
        Path("/proc/self/oom_score_adj").write_text("1000")
    with (
        Connection(file_descriptor) as connection,
        socket.socket(fileno=os.dup(file_descriptor)) as passing,
        contextlib.suppress(EOFError, ConnectionError),
    ):
        _warm_up()
        connection.send_bytes(json.dumps(enter_sandbox(2 * clip_cpu_s)).encode())
        while time.process_time() < clip_cpu_s:
            request = json.loads(connection.recv_bytes())
            with _receive_clip(connection, passing, request["n_bytes"]) as clip:
                _send_samples(connection, clip, request)


def _warm_up() -> None:
    """Decodes silence and receives a descriptor, because Python and the libraries load some of their parts at first use."""
    for container in ("WAV", "FLAC"):  # PCM and a compressed codec, which different libraries may read
        silence = BytesIO()
        soundfile.write(silence, np.zeros(_WARM_UP_HZ // 10), _WARM_UP_HZ, format=container)
        for _ in decode(silence, identify(silence), 2 * _WARM_UP_HZ, 1):
            pass
    sender, receiver = socket.socketpair()
    with sender, receiver:
        socket.send_fds(sender, [b"\0"], [sender.fileno()])
        _, (duplicate,), _, _ = socket.recv_fds(receiver, 1, 1)
        os.close(duplicate)


def _receive_clip(connection: Connection, passing: socket.socket, n_bytes: int | None) -> BinaryIO:
    if n_bytes is not None:
        return BytesIO(connection.recv_bytes(n_bytes))
    _, (file, *_), _, _ = socket.recv_fds(passing, 1, 1)
    return os.fdopen(file, "rb")


def _send_samples(connection: Connection, clip: BinaryIO, request: dict[str, Any]) -> None:
    blocks = decode(clip, Container(request["container"]), request["sample_rate_hz"], request["max_clip_s"])
    try:
        for message in _messages(blocks):
            connection.send_bytes(message)
    except EarmarkError as error:
        connection.send_bytes(ERROR + json.dumps([type(error).__name__, error.data]).encode())


def _messages(blocks: Generator[NDArray[np.float32], None, tuple[AnswerWarning, ...]]) -> Generator[bytes | bytearray]:
    """Joins blocks into messages of at least `_MESSAGE_BYTES`, except for the last; ends with the warnings."""
    message = bytearray(SAMPLES)
    while True:
        try:
            block = next(blocks)
        except StopIteration as end:
            warnings: tuple[AnswerWarning, ...] = end.value
            break
        message += block.data.cast("B")
        if len(message) >= _MESSAGE_BYTES:
            yield message
            message = bytearray(SAMPLES)
    if len(message) > len(SAMPLES):
        yield message
    yield END + warnings_to_bytes(warnings)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]))
    except Exception as error:  # noqa: BLE001 - the log gets one line; the service reports the rest
        sys.exit(f"decoder: {type(error).__name__}: {error}")
