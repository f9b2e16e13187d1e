"""Reads replies of a Redis server within limits on size and time, whatever the server announces or sends."""

import time
from io import BytesIO
from socket import socket
from typing import Any, cast

from redis import InvalidResponse
from redis import TimeoutError as RedisTimeoutError
from redis._parsers import _RESP2Parser  # pyright: ignore[reportPrivateUsage] - redis has no public parser of its protocol
from redis._parsers.socket import SocketBuffer
from redis.connection import Connection
from redis.utils import SENTINEL

MAX_REPLY_BYTES = (1 << 20) + 4096
"""Largest size of one reply, in bytes: a part of a value and some room for the protocol."""
MAX_REPLY_S = 1.0
"""Longest time in which one reply must arrive, in seconds, unless the timeout of the socket is longer. Callers stop waiting much
earlier."""

_MAX_LINE_BYTES = 65_536
_RECEIVED_BYTES = 65_536


class BoundedBuffer(SocketBuffer):
    """A buffer of received bytes that refuses a reply as soon as the reply is, or claims to be, too large or too slow."""

    _buffer: BytesIO  # None in the superclass after closing, when nothing is read

    def __init__(self, connected: socket, read_size: int, timeout_s: float) -> None:
        super().__init__(connected, read_size, timeout_s)
        self._left_bytes, self._deadline_s = MAX_REPLY_BYTES, float("inf")
        self._max_reply_s = max(MAX_REPLY_S, timeout_s)

    def begin_reply(self) -> None:
        """Starts the limits of a new reply."""
        self._left_bytes, self._deadline_s = MAX_REPLY_BYTES, time.monotonic() + self._max_reply_s

    def end_reply(self) -> None:
        """Ends the time limit of the reply."""
        self._deadline_s = float("inf")

    def read(self, length: int, timeout: float | object = SENTINEL) -> bytes:
        """Reads `length` bytes and the line end behind them.

        Raises:
            InvalidResponse: If the length is negative or above the limit.
        """
        if length < 0:
            raise InvalidResponse("a reply of a negative length")
        self._spend(length + 2)
        while self.unread_bytes() < length + 2:
            self._receive(timeout)
        return super().read(length)

    def readline(self, timeout: float | object = SENTINEL) -> bytes:
        """Reads up to a line end.

        Raises:
            InvalidResponse: If the line is longer than the limit.
        """
        line = self._buffer.readline(_MAX_LINE_BYTES)
        while not line.endswith(b"\r\n"):
            if len(line) >= _MAX_LINE_BYTES:
                raise InvalidResponse("a line of a reply is too long")
            self._receive(timeout)
            line += self._buffer.readline(_MAX_LINE_BYTES - len(line))
        self._spend(len(line))
        return line[:-2]

    def _spend(self, n_bytes: int) -> None:
        self._left_bytes -= n_bytes
        if self._left_bytes < 0:
            raise InvalidResponse(f"a reply of more than {MAX_REPLY_BYTES} bytes")

    def _receive(self, timeout: float | object) -> None:
        if time.monotonic() > self._deadline_s:
            raise RedisTimeoutError(f"a reply took more than {self._max_reply_s} s")
        self._read_from_socket(timeout=timeout)


class BoundedParser(_RESP2Parser):
    """A parser of the protocol RESP2 that reads from a `BoundedBuffer`."""

    _buffer: BoundedBuffer | None
    _sock: socket | None

    def on_connect(self, connection: Connection) -> None:
        """Starts to read from a new connection."""
        super().on_connect(connection)  # pyright: ignore[reportUnknownMemberType] - untyped in redis
        connected = cast(socket, self._sock)  # set by the superclass
        self._buffer = BoundedBuffer(connected, _RECEIVED_BYTES, float(connection.socket_timeout or 0))

    def read_response(self, disable_decoding: bool = False, timeout: float | object = SENTINEL) -> Any:
        """Reads one reply.

        Raises:
            InvalidResponse: If the reply is too large or malformed.
            TimeoutError: If the reply takes too long.
        """
        buffer = self._buffer
        if buffer is None:
            raise RedisTimeoutError("the connection is closed")
        buffer.begin_reply()
        try:
            return super().read_response(disable_decoding, timeout)  # pyright: ignore[reportUnknownVariableType] - untyped
        finally:
            buffer.end_reply()
