"""Connections of clients: limits their number and their idle time, and closes those of slow clients.

uvicorn limits none of these: `limit_concurrency` refuses requests but accepts any number of connections. A connection that
never sends a request is kept for ever, and so is the connection of a client that does not read.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import h11
import uvicorn
from fastapi import Response
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.pace import Pace

OVER_LIMIT = "over_limit"
"""Name in the state of a scope that marks a request whose connection exceeds the limit."""
_EXTRA_CONNECTIONS = 32
"""Connections above the limit that are still accepted: liveness and metrics are answered, other requests get 503."""
_LINGER_S = 30.0
_LINGER_IDLE_S = 5.0
"""Times for which the rest of a refused upload is read and dropped. Closing at once would reset the connection, and the
client might lose the answer."""
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may do.

    Attributes:
        max_connections: Maximum number of open connections.
        keep_alive_s: Time after which a connection without a request is closed, in seconds.
        pace: The slowest accepted pace of a client, for the head of a request and for reading an answer.
        not_http: The answer to bytes that are not an HTTP request.
        too_slow: The answer to a head that is not complete in time.
    """

    max_connections: int
    keep_alive_s: int
    pace: Pace
    not_http: Response
    too_slow: Response


class _HttpState(h11.Connection):
    """HTTP state of a connection, which is closed after an answer if the body of the request has not been read."""

    closes_after_answer = False

    def send(self, event: h11.Event) -> bytes | None:  # pyright: ignore[reportIncompatibleMethodOverride] - overloads
        """Encodes an event of our side."""
        if isinstance(event, h11.Response) and (self.closes_after_answer or self.their_state is h11.SEND_BODY):
            headers = [header for header in event.headers if header[0] != _CLOSE[0]]
            event = h11.Response(status_code=event.status_code, headers=[*headers, _CLOSE], reason=event.reason)
        return super().send(event)


class _Transport(asyncio.Transport):
    """A transport that counts written bytes, and keeps reading after `close` while the client may still be sending."""

    def __init__(self, transport: asyncio.Transport, lingers: Callable[[], bool]) -> None:
        super().__init__()
        self._transport, self._lingers = transport, lingers
        self.n_written = 0
        self.lingering_since_s: float | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.n_written += len(data)
        self._transport.write(data)

    def close(self) -> None:
        """Closes the connection, or only our side while the client may still be sending."""
        if self.is_closing():
            return
        if self._lingers():
            self.lingering_since_s = time.monotonic()
            try:
                self._transport.write_eof()
            except OSError:  # the client has reset the connection
                self._transport.abort()
                return
            self._transport.resume_reading()
        else:
            self._transport.close()

    @property
    def is_lingering(self) -> bool:
        """Whether only our side of the connection is closed, and what the client still sends is dropped."""
        return self.lingering_since_s is not None

    def is_closing(self) -> bool:
        return self.is_lingering or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self) -> None:
        if not self.is_lingering:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


class Connection(H11Protocol):
    """One connection of a client; `check` is called several times a second."""

    limits: ConnectionLimits

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.http_state = _HttpState(h11.SERVER)
        self.conn = self.http_state
        self._peers = cast("set[Connection]", self.connections)
        self._received_at_s = self._idle_since_s = time.monotonic()
        self._head_since_s: float | None = None
        self._head_bytes = 0
        self._unread_since_s: float | None = None
        self._written_before = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as in uvicorn
        """Accepts the connection, and makes room for it if there are too many."""
        self._transport = _Transport(transport, self._client_may_be_sending)
        super().connection_made(self._transport)
        n_beyond = len(self._peers) - self.limits.max_connections
        if n_beyond > _EXTRA_CONNECTIONS:
            transport.abort()
        elif n_beyond > 0 and not self._close_idlest_peer():
            self.app_state = {**self.app_state, OVER_LIMIT: True}
            self.http_state.closes_after_answer = True

    def data_received(self, data: bytes) -> None:
        """Handles bytes of the client; drops them if the request was already answered."""
        self._received_at_s = time.monotonic()
        if self._transport.is_lingering:
            return
        super().data_received(data)
        if self.has_request or self.conn.their_state is not h11.IDLE or not self.conn.trailing_data[0]:
            self._head_since_s = None
        elif self._head_since_s is None:
            self._head_since_s, self._head_bytes = self._received_at_s, len(data)
        else:
            self._head_bytes += len(data)

    def on_response_complete(self) -> None:
        """Begins the idle time."""
        self._idle_since_s = time.monotonic()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Closes the connection; if a request is being answered, after its answer."""
        if self._transport.is_lingering:
            self._transport.abort()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the problem says more than uvicorn's text
        """Answers bytes that are not HTTP, and closes the connection."""
        self._answer_and_close(self.limits.not_http)

    @property
    def has_request(self) -> bool:
        """Whether a request is being answered."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # uvicorn leaves out that it is None at first
        return cycle is not None and not cycle.response_complete

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered, and the client has received the last answer."""
        return not self.has_request and self._transport.get_write_buffer_size() == 0

    @property
    def idle_since_s(self) -> float:
        """Time of the last answer, or of the connection."""
        return self._idle_since_s

    def check(self, now_s: float) -> None:
        """Closes the connection if it has been idle for too long, or its client is too slow."""
        since_s = self._transport.lingering_since_s
        if since_s is not None:
            is_quiet = now_s - max(since_s, self._received_at_s) > _LINGER_IDLE_S
            if is_quiet or now_s - since_s > _LINGER_S:
                self._transport.abort()
        elif self._reads_too_slowly(now_s):
            self._transport.abort()
        elif not self.has_request:
            self._check_waiting(now_s)

    def _check_waiting(self, now_s: float) -> None:
        pace = self.limits.pace
        if self._head_since_s is not None:
            if now_s - self._head_since_s > pace.allowed_s(self._head_bytes):
                self._answer_and_close(self.limits.too_slow)
            return
        had_request = cast("RequestResponseCycle | None", self.cycle) is not None
        patience_s = self.limits.keep_alive_s if had_request else min(pace.allowed_s(0), self.limits.keep_alive_s)
        if now_s - self._idle_since_s > patience_s:
            self._transport.close()

    def _reads_too_slowly(self, now_s: float) -> bool:
        n_waiting = self._transport.get_write_buffer_size()
        n_read = self._transport.n_written - n_waiting
        if n_waiting == 0:
            self._unread_since_s = None
        elif self._unread_since_s is None:
            self._unread_since_s, self._written_before = now_s, n_read
        else:
            return now_s - self._unread_since_s > self.limits.pace.allowed_s(n_read - self._written_before)
        return False

    def _close_idlest_peer(self) -> bool:
        """Closes the connection that has been idle for longest; returns False if no connection is idle."""
        peers = [peer for peer in self._peers if peer is not self and peer.is_idle]
        if not peers:
            return False
        idlest = min(peers, key=lambda peer: peer.idle_since_s)
        self._peers.discard(idlest)  # it is closed only in the next turn of the event loop
        idlest.transport.abort()
        return True

    def _client_may_be_sending(self) -> bool:
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR) or self._head_since_s is not None

    def _answer_and_close(self, answer: Response) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            head = [*answer.raw_headers, _CLOSE]
            events: list[h11.Event] = [
                h11.Response(status_code=answer.status_code, headers=head, reason=STATUS_PHRASES[answer.status_code]),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ]
            self.transport.write(b"".join(self.http_state.send(event) or b"" for event in events))
        self.transport.close()
