"""A process that only decodes clips, one after another, for `service.engine.decoders`.

The service sends two messages for each clip. The first is JSON, `{"container", "sample_rate_hz", "max_clip_s",
"n_bytes"}`; the second is the clip: its `n_bytes` bytes, or its file descriptor if `n_bytes` is null. The process sends
back messages of samples, and then a message with the warnings about the clip, or one that names an error, both as JSON.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Generator
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.errors import EarmarkError
from service.core.warnings import AnswerWarning
from service.engine.clip_warnings import warnings_to_bytes
from service.engine.containers import Container
from service.engine.decoding import decode

SAMPLES, END, ERROR = b"SMPL", b"END ", b"ERR "
"""First four bytes of a message, which give its kind. A sample has four bytes too, so the samples stay aligned."""
MAX_MESSAGE_BYTES = 1 << 20
MEMORY_BYTES = 1 << 30
"""Limit of the process's address space. Python and libsndfile take about a third of it, and a clip a few MiB."""
_MESSAGE_BYTES = 1 << 18


def main(file_descriptor: int) -> None:
    """Decodes clips that arrive through a Unix socket, until the service closes the socket."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the service ends this process once the current clip is decoded
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # when memory runs out, Linux kills this process rather than the service
        Path("/proc/self/oom_score_adj").write_text("1000")
    with Connection(file_descriptor) as connection, contextlib.suppress(EOFError, ConnectionError):
        while True:
            request = json.loads(connection.recv_bytes())
            with _receive_clip(connection, request["n_bytes"]) as clip:
                _send_samples(connection, clip, request)


def _receive_clip(connection: Connection, n_bytes: int | None) -> BinaryIO:
    if n_bytes is not None:
        return BytesIO(connection.recv_bytes(n_bytes))
    with socket.socket(fileno=os.dup(connection.fileno())) as passing:
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
    """Joins several blocks into one message, because every message wakes the service up; ends with the warnings."""
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
        main(int(sys.argv[1]))
    except Exception as error:  # noqa: BLE001 - the log gets one line; the service reports the rest
        sys.exit(f"decoder: {type(error).__name__}: {error}")
