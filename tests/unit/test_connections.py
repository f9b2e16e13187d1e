import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.responses import Response
from uvicorn.server import ServerState

from service.connections import OVER_LIMIT, Connection, ConnectionLimits, Places
from service.pace import Pace


class FakeTransport(asyncio.Transport):
    """A transport of a client that may have reset the connection."""

    def __init__(self, is_reset: bool) -> None:
        super().__init__()
        self._is_reset = is_reset
        self.written = b""
        self.has_eof = self.is_aborted = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        if self._is_reset:
            raise OSError(107, "Transport endpoint is not connected")
        self.has_eof = True

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_aborted

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))
    loop.close()


@pytest.mark.parametrize("is_reset", [False, True])
def test_bytes_that_are_not_http_end_the_connection_also_if_the_client_has_reset_it(
    loop: asyncio.AbstractEventLoop, is_reset: bool
) -> None:
    answer = Response("no", 400)
    limits = ConnectionLimits(10, 5, 75, Pace(20, 1000), answer, answer)
    config = uvicorn.Config(lambda: None, log_config=None, lifespan="off", ws="none")
    connection = type("Limited", (Connection,), {"limits": limits, "places": Places()})(config, ServerState(), {}, loop)
    transport = FakeTransport(is_reset)
    connection.connection_made(transport)
    connection.data_received(b"no request\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert (transport.has_eof, transport.is_aborted) == (not is_reset, is_reset)
    connection.connection_lost(None)


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"


class Served:
    """Connections of a server whose app never answers; each app call records the scope of its request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_connections: int, max_refused: int = 5) -> None:
        answer = Response("no", 400)
        limits = ConnectionLimits(max_connections, max_refused, 75, Pace(20, 1000), answer, answer)
        config = uvicorn.Config(self._app, interface="asgi3", log_config=None, lifespan="off", ws="none")
        config.load()
        self.places, self.scopes, self._state = Places(), list[Any](), ServerState()
        kind = type("Limited", (Connection,), {"limits": limits, "places": self.places})
        self._loop, self._make = loop, lambda: kind(config, self._state, {}, loop)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await asyncio.sleep(3600)

    def connect(self) -> tuple[Connection, FakeTransport]:
        connection, transport = self._make(), FakeTransport(is_reset=False)
        connection.connection_made(transport)
        return connection, transport

    def run(self) -> None:
        self._loop.run_until_complete(asyncio.sleep(0))


def test_only_connections_with_a_request_take_places_and_give_them_back(loop: asyncio.AbstractEventLoop) -> None:
    served = Served(loop, max_connections=1)
    silent = [served.connect() for _ in range(4)]
    assert served.places.n_taken == 0
    silent[0][0].data_received(HEAD + b"x")
    assert served.places.n_taken == 1
    silent[1][0].data_received(HEAD)
    served.run()
    assert [OVER_LIMIT in scope["state"] for scope in served.scopes] == [False, True]
    silent[0][0].connection_lost(None)
    assert served.places.n_taken == 0
    silent[2][0].data_received(HEAD)
    served.run()
    assert OVER_LIMIT not in served.scopes[2]["state"]


def test_the_body_of_a_refused_request_takes_no_memory(loop: asyncio.AbstractEventLoop) -> None:
    served = Served(loop, max_connections=0)
    connection, _ = served.connect()
    connection.data_received(HEAD + bytes(10_000))
    connection.data_received(bytes(10_000))
    assert connection.cycle.body == b""


def test_connections_far_beyond_the_limit_are_closed_at_once(loop: asyncio.AbstractEventLoop) -> None:
    served = Served(loop, max_connections=1, max_refused=2)
    assert [served.connect()[1].is_aborted for _ in range(5)] == [False, False, False, True, True]


def test_a_connection_may_be_closed_once_it_was_silent_for_a_while(loop: asyncio.AbstractEventLoop) -> None:
    served = Served(loop, max_connections=1)
    connection, _ = served.connect()
    now_s = served.places.clock.now_s
    assert [connection.may_be_closed(now_s + silent_s) for silent_s in (0, 9.9, 10.1)] == [False, False, True]
    connection.data_received(HEAD)
    assert not connection.may_be_closed(now_s + 100)


def test_many_connections_receive_less_at_a_time() -> None:
    places = Places()
    assert places.received_bytes == 256 << 10
    places.n_taken = 1024
    assert places.received_bytes == 32 << 10
    places.n_taken = 10**6
    assert places.received_bytes == 16 << 10
