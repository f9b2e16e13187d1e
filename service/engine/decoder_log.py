"""Copies the standard error of decoders to the log of the service.

The audio libraries print warnings about a clip to it. Lines of a decoder are not trusted: their length, their
characters and their number are limited.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import IO

MAX_LINE_BYTES = 400
"""Length at which a line is cut."""
MAX_LINES, PERIOD_S = 20, 60.0
"""Largest number of lines of all decoders that are logged within a period, in seconds."""
_READ_BYTES = 1 << 12

log = logging.getLogger(__name__)


class DecoderLog:
    """Logs the standard error of decoders, at most `MAX_LINES` lines per `PERIOD_S`; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._period_start_s, self._n_lines = -PERIOD_S, 0

    def follow(self, stream: IO[bytes], process_id: int) -> threading.Thread:
        """Starts a thread that logs a stream until its end, and then closes the stream."""
        thread = threading.Thread(target=self._forward, args=(stream, process_id), name="decoder-log", daemon=True)
        thread.start()
        return thread

    def _forward(self, stream: IO[bytes], process_id: int) -> None:
        with stream:
            for line in _lines(stream.fileno()):
                self._log(line, process_id)

    def _log(self, line: bytes, process_id: int) -> None:
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._period_start_s >= PERIOD_S:
                self._period_start_s, self._n_lines = now_s, 0
            self._n_lines += 1
            n_lines = self._n_lines
        if n_lines <= MAX_LINES:
            log.warning("a decoder wrote to its standard error", extra={"line": _printable(line), "pid": process_id})
        elif n_lines == MAX_LINES + 1:
            log.warning("decoders write too many lines; the next lines are left out", extra={"period_s": PERIOD_S})


def _lines(file_descriptor: int) -> Iterator[bytes]:
    """Yields lines that are not empty, cut at `MAX_LINE_BYTES`, as soon as each is complete."""
    line = b""
    while block := os.read(file_descriptor, _READ_BYTES):
        *complete, rest = block.split(b"\n")
        for end in complete:
            if line := (line + end)[:MAX_LINE_BYTES]:
                yield line
            line = b""
        line = (line + rest)[:MAX_LINE_BYTES]
    if line:
        yield line


def _printable(line: bytes) -> str:
    """Decodes a line; control characters and bytes that are not UTF-8 are written as escapes."""
    text = line.decode("utf-8", "backslashreplace").rstrip()
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
