"""The HTTP server. Its socket is bound before the model is loaded; its address is printed once it answers."""

import socket
import sys
from types import FrameType

import h11
import uvicorn
from fastapi import FastAPI, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.core.errors import AddressUnavailable
from service.shutdown import Shutdown


class _Server(uvicorn.Server):
    """A uvicorn server that prints its address, begins the shutdown on a signal, and stops after a failure."""

    def __init__(self, config: uvicorn.Config, url: str, shutdown: Shutdown) -> None:
        super().__init__(config)
        self._url, self._shutdown = url, shutdown

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._shutdown.begin()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._shutdown.has_failed

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"Earmark listens on {self._url} (documentation: {self._url}/docs)\n")
        sys.stdout.flush()


def bind(host: str, port: int) -> socket.socket:
    """Binds a socket to an address, without listening on it yet.

    Raises:
        AddressUnavailable: If the address is in use, or does not belong to this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressUnavailable(host, port, error.strerror or str(error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise AddressUnavailable(host, port, error.strerror or str(error)) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: FastAPI, listener: socket.socket, not_http: Response, shutdown: Shutdown, grace_s: int) -> None:
    """Serves an app on a bound socket until SIGTERM, SIGINT or a failure; running requests may then finish.

    Args:
        app: The app to serve.
        listener: A socket from `bind`.
        not_http: The answer to bytes that are not an HTTP request, which never reach the app.
        shutdown: Shutdown state of the process; the server begins the shutdown on a signal, and stops after a failure.
        grace_s: Time that running requests have to finish, in seconds; requests that run longer are cancelled.
    """
    config = uvicorn.Config(
        app,
        http=_protocol(not_http),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=grace_s,
    )
    _Server(config, url_of(listener), shutdown).run(sockets=[listener])


def _protocol(not_http: Response) -> type[H11Protocol]:
    class Protocol(H11Protocol):
        def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the problem says more than uvicorn's text
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                head = [*not_http.raw_headers, (b"connection", b"close")]
                self.transport.write(
                    b"".join(
                        self.conn.send(event) or b""
                        for event in (
                            h11.Response(status_code=not_http.status_code, reason=b"Bad Request", headers=head),
                            h11.Data(data=bytes(not_http.body)),
                            h11.EndOfMessage(),
                        )
                    )
                )
            self.transport.close()

    return Protocol
