"""The HTTP server, which prints its address once it answers."""

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from service.connection_checks import ConnectionChecks
from service.connections import Connection, ConnectionLimits, Places
from service.logs import Throttle
from service.metrics_server import MetricsServer
from service.shutdown import Shutdown
from service.standard_streams import write_line

_BACKLOG = 4096
"""Connections that wait to be accepted; the system may allow fewer (net.core.somaxconn)."""
_CHECK_S = 0.1
_CANCEL_S = 2.0
"""Time that cancelled requests have to send their answer."""
_METRICS_CONNECTIONS = 64
_METRICS_GRACE_S = 2
Close = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """A uvicorn server that prints its address, begins the shutdown on a signal, and stops after a failure."""

    def __init__(
        self, config: uvicorn.Config, urls: str, shutdown: Shutdown, close: Close, metrics: MetricsServer | None
    ) -> None:
        super().__init__(config)
        servers: list[uvicorn.Server] = [self] if metrics is None else [self, metrics]
        self._checks = [ConnectionChecks(server) for server in servers]
        self._urls, self._shutdown, self._close, self._throttle = urls, shutdown, close, Throttle()
        self._metrics = metrics

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._shutdown.begin()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        self._check_connections()
        if self._metrics is not None:
            await self._metrics.on_tick(counter)
        return await super().on_tick(counter) or self._shutdown.has_failed

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._handle_loop_error)
        await super().startup(sockets)
        if self._metrics is not None:
            await self._metrics.begin()
        write_line(sys.stdout, f"Earmark listens on {self._urls}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Waits for the running requests until the grace period ends; then they are cancelled, and get an answer."""
        checks = asyncio.create_task(self._keep_checking_connections())
        await super().shutdown(sockets)
        checks.cancel()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_CANCEL_S)
        if self._metrics is not None:  # until here, metrics show how the shutdown goes
            await self._metrics.end()
        await self._close()

    def _check_connections(self) -> None:
        for checks in self._checks:
            checks.run()

    async def _keep_checking_connections(self) -> None:
        while True:
            self._check_connections()
            await asyncio.sleep(_CHECK_S)

    def _handle_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Logs at most once a minute that no connection can be accepted; the event loop tries again each second."""
        error = context.get("exception")
        if not (isinstance(error, OSError) and "accept" in context.get("message", "")):
            loop.default_exception_handler(context)
        elif self._throttle.is_due():
            log.error("no connection can be accepted", extra={"reason": error.strerror})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An app and the bound socket on which it is served."""

    app: FastAPI
    listener: socket.socket

    @property
    def url(self) -> str:
        """URL of the app."""
        host, port = self.listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _close_nothing() -> None:
    """Has nothing to close."""


def run(
    api: Endpoint,
    limits: ConnectionLimits,
    shutdown: Shutdown,
    grace_s: int,
    close: Close = _close_nothing,
    metrics: Endpoint | None = None,
) -> None:
    """Serves apps until SIGTERM, SIGINT or a failure; running requests may then finish.

    Args:
        api: The app of the API.
        limits: What connections may do.
        shutdown: Shutdown state of the process; the server begins the shutdown on a signal, and stops after a failure.
        grace_s: Time that running requests have to finish, in seconds; requests that run longer get status 503.
        close: Called in the event loop after the last request, to close what belongs to the loop.
        metrics: The app of the port for metrics, if there is one; it is served until the last request of the API has ended.
    """
    urls = f"{api.url} (documentation: {api.url}/docs)"
    metrics_server = None
    if metrics is not None:
        urls += f", metrics on {metrics.url}/metrics"
        metrics_limits = replace(limits, max_connections=min(_METRICS_CONNECTIONS, limits.max_connections))
        metrics_server = MetricsServer(_config(metrics.app, metrics_limits, _METRICS_GRACE_S), metrics.listener)
    server = _Server(_config(api.app, limits, grace_s), urls, shutdown, close, metrics_server)
    server.run(sockets=[api.listener])


def _config(app: FastAPI, limits: ConnectionLimits, grace_s: int) -> uvicorn.Config:
    protocol = type("LimitedConnection", (Connection,), {"limits": limits, "places": Places()})
    return uvicorn.Config(
        app,
        http=protocol,
        loop="asyncio",  # uvloop, if something has installed it, does not report used-up descriptors
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,  # uvicorn would believe every process on this machine
        lifespan="off",
        backlog=_BACKLOG,
        timeout_keep_alive=limits.keep_alive_s,
        timeout_graceful_shutdown=grace_s,
    )
