"""The transport of a client's connection, which may close only the service's side of it."""

import asyncio
from collections.abc import Callable
from typing import Any

from service.patient_clock import PatientClock

FIRST_RECEIVED_BYTES = 16 << 10
"""Bytes that a connection receives at a time until its request has a place."""


class ClientTransport(asyncio.Transport):
    """A transport that counts written bytes, and keeps reading after `close` while the client may still be sending."""

    def __init__(self, transport: asyncio.Transport, lingers: Callable[[], bool], clock: PatientClock) -> None:
        super().__init__()
        self._transport, self._lingers, self._clock = transport, lingers, clock
        self.receive_at_a_time(FIRST_RECEIVED_BYTES)
        self.n_written = 0
        self.lingering_since_s: float | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Writes, and counts the bytes."""
        self.n_written += len(data)
        self._transport.write(data)

    def close(self) -> None:
        """Closes the connection, or only our side while the client may still be sending."""
        if self.is_closing():
            return
        if self._lingers():
            self.lingering_since_s = self._clock.now_s
            try:
                self._transport.write_eof()
            except OSError:  # the client has reset the connection
                self._transport.abort()
                return
            self._transport.resume_reading()
        else:
            self._transport.close()

    def receive_at_a_time(self, n_bytes: int) -> None:
        """Sets how many bytes asyncio receives at a time: 256 KiB by default, too much for thousands of connections."""
        if hasattr(self._transport, "max_size"):
            self._transport.max_size = n_bytes  # pyright: ignore[reportAttributeAccessIssue] - of socket transports

    @property
    def is_lingering(self) -> bool:
        """Whether only our side of the connection is closed, and what the client still sends is dropped."""
        return self.lingering_since_s is not None

    def is_closing(self) -> bool:
        """Whether at least the side of the service is closed."""
        return self.is_lingering or self._transport.is_closing()

    def abort(self) -> None:
        """Closes the connection at once."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Receives nothing for a while, unless the rest of a refused upload is being dropped."""
        if not self.is_lingering:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receives again."""
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Number of bytes that the client has not received yet."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """A fact about the transport."""
        return self._transport.get_extra_info(name, default)
