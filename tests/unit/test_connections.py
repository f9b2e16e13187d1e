import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.responses import Response
from uvicorn.server import ServerState

from service.connections import Connection, ConnectionLimits
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


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.mark.parametrize("is_reset", [False, True])
def test_bytes_that_are_not_http_end_the_connection_also_if_the_client_has_reset_it(
    loop: asyncio.AbstractEventLoop, is_reset: bool
) -> None:
    answer = Response("no", 400)
    limits = ConnectionLimits(10, 75, Pace(20, 1000), answer, answer)
    config = uvicorn.Config(lambda: None, log_config=None, lifespan="off", ws="none")
    connection = type("Limited", (Connection,), {"limits": limits})(config, ServerState(), {}, loop)
    transport = FakeTransport(is_reset)
    connection.connection_made(transport)
    connection.data_received(b"no request\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert (transport.has_eof, transport.is_aborted) == (not is_reset, is_reset)
    connection.connection_lost(None)
