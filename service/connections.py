"""Connections of clients: limits their number and their idle time, and closes those of slow clients.

Only a connection with a request takes a place. Silent and idle connections are closed after a while if there are too many of
them; closing them at once would reset clients that have just connected and are about to send.

uvicorn limits none of these: `limit_concurrency` refuses requests but accepts any number of connections. A connection that
never sends a request is kept for ever, and so is the connection of a client that does not read.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import h11
import uvicorn
from fastapi import Response
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.client_transport import FIRST_RECEIVED_BYTES, ClientTransport
from service.pace import Pace
from service.patient_clock import PatientClock

OVER_LIMIT = "over_limit"
"""Name in the state of a scope that marks a request whose connection exceeds the limit."""
MAX_HEAD_BYTES = 64 << 10
"""Maximum size of the head of a request. h11 checks it at every piece that arrives, and its default is 16 KiB."""
_IDLE_S = 1.0
_SILENT_S = 10.0
"""Times after which a connection may be closed if there are too many: after its last answer, and without any request."""
_ALL_RECEIVED_BYTES = 32 << 20
_MOST_RECEIVED_BYTES = 256 << 10
"""Bytes that are received at a time: by all connections with a place together, and at most by one of them."""
_LINGER_S = 30.0
_LINGER_IDLE_S = 5.0
"""Times for which the rest of a refused upload is read and dropped. Closing at once would reset the connection, and the
client might lose the answer."""
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may do.

    Attributes:
        max_connections: Maximum number of connections that have a request, and of open connections in the long run.
        max_refused: Number of connections above this maximum that are accepted for a while: their probes are answered,
            and their other requests are refused. Connections above both are closed at once.
        keep_alive_s: Time after which a connection without a request is closed, in seconds.
        pace: The slowest accepted pace of a client, for the head of a request and for reading an answer.
        not_http: The answer to bytes that are not an HTTP request.
        too_slow: The answer to a head that is not complete in time.
    """

    max_connections: int
    max_refused: int
    keep_alive_s: int
    pace: Pace
    not_http: Response
    too_slow: Response


class Places:
    """The places of a server's connections that have a request, and the clock of all its connections.

    Attributes:
        n_taken: Number of connections that have a place.
        clock: Measures the silence of clients.
    """

    def __init__(self) -> None:
        self.n_taken = 0
        self.clock = PatientClock()

    @property
    def received_bytes(self) -> int:
        """Number of bytes that the next connection with a place may receive at a time."""
        return max(FIRST_RECEIVED_BYTES, min(_MOST_RECEIVED_BYTES, _ALL_RECEIVED_BYTES // max(1, self.n_taken)))


class _HttpState(h11.Connection):
    """HTTP state of a connection, which is closed after an answer if the body of the request has not been read."""

    closes_after_answer = False

    def send(self, event: h11.Event) -> bytes | None:  # pyright: ignore[reportIncompatibleMethodOverride] - overloads
        """Encodes an event of our side."""
        if isinstance(event, h11.Response) and (self.closes_after_answer or self.their_state is h11.SEND_BODY):
            headers = [header for header in event.headers if header[0] != _CLOSE[0]]
            event = h11.Response(status_code=event.status_code, headers=[*headers, _CLOSE], reason=event.reason)
        return super().send(event)


class Connection(H11Protocol):
    """One connection of a client; `check` is called several times a second."""

    limits: ConnectionLimits
    places: Places

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.http_state = _HttpState(h11.SERVER, MAX_HEAD_BYTES)
        self.conn = self.http_state
        self._peers = cast("set[Connection]", self.connections)
        self._received_at_s = self._idle_since_s = self.places.clock.now_s
        self._head_since_s: float | None = None
        self._head_bytes = 0
        self._unread_since_s: float | None = None
        self._written_before = 0
        self._has_place = self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as in uvicorn
        """Accepts the connection, and closes it at once if there are far too many."""
        self._transport = ClientTransport(transport, self._client_may_be_sending, self.places.clock)
        super().connection_made(self._transport)
        if len(self._peers) > self.limits.max_connections + self.limits.max_refused:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives the place of the connection back."""
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Handles bytes of the client; drops them if the request was already answered."""
        self._received_at_s = self.places.clock.now_s
        if self._transport.is_lingering or self._is_refused:
            return
        super().data_received(data)
        if self.has_request and not self._has_place:
            self._take_place()
        if self.has_request or self.conn.their_state is not h11.IDLE or not self.conn.trailing_data[0]:
            self._head_since_s = None
        elif self._head_since_s is None:
            self._head_since_s, self._head_bytes = self._received_at_s, len(data)
        else:
            self._head_bytes += len(data)

    def on_response_complete(self) -> None:
        """Begins the idle time."""
        self._idle_since_s = self.places.clock.now_s
        super().on_response_complete()
        if not self.has_request:  # otherwise the client has already sent the next one
            self._leave()

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

    def may_be_closed(self, now_s: float) -> bool:
        """Whether the connection has been idle for so long that it is closed if there are too many connections."""
        had_request = cast("RequestResponseCycle | None", self.cycle) is not None
        return self.is_idle and now_s - self._idle_since_s > (_IDLE_S if had_request else _SILENT_S)

    def make_room(self) -> None:
        """Closes the connection, which is idle."""
        if self._client_may_be_sending():
            self._transport.abort()
        else:
            self._transport.close()

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

    def _take_place(self) -> None:
        """Takes a place for a request that has just begun, or marks the request as beyond the limit if there is none."""
        if self.places.n_taken < self.limits.max_connections:
            self.places.n_taken += 1
            self._has_place = True
            self._transport.receive_at_a_time(self.places.received_bytes)
        else:  # the app has not seen the request yet
            self._is_refused = True
            self.cycle.body.clear()
            self.scope["state"][OVER_LIMIT] = True  # pyright: ignore[reportTypedDictNotRequiredAccess] - uvicorn sets it
            self.http_state.closes_after_answer = True

    def _leave(self) -> None:
        if self._has_place:
            self._has_place = False
            self.places.n_taken -= 1

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
