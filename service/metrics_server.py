"""The server of GET /metrics on a port of its own."""

import socket

import uvicorn


class MetricsServer(uvicorn.Server):
    """A server that another server starts, drives and stops; it handles no signals.

    Args:
        config: Its configuration.
        listener: The bound socket.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener

    async def begin(self) -> None:
        """Begins to listen."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[self._listener])

    async def end(self) -> None:
        """Stops to listen, and closes the connections."""
        await self.shutdown(sockets=[self._listener])
