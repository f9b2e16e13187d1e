"""The other side of `service.engine.decoders`: a process in which nothing is but what decodes, one clip after the other.

A message from the service is JSON, `{"sample_rate_hz", "max_clip_s", "n_bytes"}`, and the clip: `n_bytes` bytes, or a file
descriptor if that is null. Back come messages of samples, then an empty one, or JSON that names an error.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.errors import EarmarkError
from service.engine.decoding import decode

SAMPLES, ERROR = b"SMPL", b"ERR "
"""How a message begins; as long as a sample, so that samples stay aligned."""
MAX_MESSAGE_BYTES = 1 << 20
MEMORY_BYTES = 1 << 30
"""Of address space: Python and libsndfile take about a third of it, and a clip a few MiB."""
_MESSAGE_BYTES = 1 << 18


def main(file_descriptor: int) -> None:
    """Decodes what it is sent through a Unix socket until the other side closes it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the service ends it, when what it has begun is finished
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # when memory is short, Linux shall end this and not the service
        Path("/proc/self/oom_score_adj").write_text("1000")
    with Connection(file_descriptor) as connection, contextlib.suppress(EOFError, ConnectionError):
        while True:
            asked = json.loads(connection.recv_bytes())
            with _clip(connection, asked["n_bytes"]) as clip:
                _answer(connection, clip, asked["sample_rate_hz"], asked["max_clip_s"])


def _clip(connection: Connection, n_bytes: int | None) -> BinaryIO:
    if n_bytes is not None:
        return BytesIO(connection.recv_bytes(n_bytes))
    with socket.socket(fileno=os.dup(connection.fileno())) as passing:
        _, (file, *_), _, _ = socket.recv_fds(passing, 1, 1)
    return os.fdopen(file, "rb")


def _answer(connection: Connection, clip: BinaryIO, sample_rate_hz: int, max_clip_s: float) -> None:
    try:
        for message in _messages(decode(clip, sample_rate_hz, max_clip_s)):
            connection.send_bytes(message)
    except EarmarkError as error:
        connection.send_bytes(ERROR + json.dumps([type(error).__name__, error.data]).encode())
    else:
        connection.send_bytes(b"")


def _messages(blocks: Iterator[NDArray[np.float32]]) -> Iterator[bytearray]:
    """The blocks, several in a message: each wakes the service."""
    message = bytearray(SAMPLES)
    for block in blocks:
        message += block.data.cast("B")
        if len(message) >= _MESSAGE_BYTES:
            yield message
            message = bytearray(SAMPLES)
    if len(message) > len(SAMPLES):
        yield message


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except Exception as error:  # noqa: BLE001 - the log has one line for it; the service tells the rest
        sys.exit(f"decoder: {type(error).__name__}: {error}")
