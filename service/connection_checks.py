"""Regular checks of a server's connections: closes those of slow clients, and those that are idle if there are too many."""

from collections.abc import Sequence
from typing import cast

import uvicorn

from service.connections import Connection

_CHECKED_AT_A_TIME = 1024


class ConnectionChecks:
    """Checks of the connections of one server.

    Args:
        server: The server, whose protocol is a class of `Connection`.
    """

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._unchecked: list[Connection] = []

    def run(self) -> None:
        """Checks up to 1024 connections, because there may be thousands; to be called several times a second."""
        protocol = cast("type[Connection]", self._server.config.http)
        protocol.places.clock.tick()
        now_s = protocol.places.clock.now_s
        if not self._unchecked:
            self._unchecked = cast("list[Connection]", list(self._server.server_state.connections))
            close_idlest(self._unchecked, protocol.limits.max_connections, now_s)
        checked, self._unchecked = self._unchecked[:_CHECKED_AT_A_TIME], self._unchecked[_CHECKED_AT_A_TIME:]
        for connection in checked:
            connection.check(now_s)


def close_idlest(connections: Sequence[Connection], max_connections: int, now_s: float) -> None:
    """Closes the connections that have been idle for longest, until the others are at most `max_connections`.

    Connections that have a request, or have become idle only now, are kept.
    """
    n_beyond = len(connections) - max_connections
    if n_beyond > 0:
        idle = [connection for connection in connections if connection.may_be_closed(now_s)]
        for connection in sorted(idle, key=lambda connection: connection.idle_since_s)[:n_beyond]:
            connection.make_room()
