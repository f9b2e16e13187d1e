"""Response for answers of many megabytes, which are made and sent piece by piece."""

import asyncio
from collections.abc import Iterator

import anyio.to_thread
from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.api.answer_budget import HeldBytes
from service.pace import Pace, Transfer

SLICE_BYTES = 1 << 16


class SlicedResponse(Response):
    """A JSON answer whose parts are made while it is sent; a body of 75 MB in one piece would block the event loop.

    Args:
        parts: The parts of the body. All but the first are made in a worker thread when the client has read the earlier
            parts, so the answer never waits in memory as a whole.
        n_bytes: Size of the body for the Content-Length header; None if it is not known.
        pace: The slowest accepted pace of the client.
        threads: Limit on the worker threads that make parts.
        held: Bytes that the answer holds; released when it is sent or given up.
        headers: More headers.
    """

    media_type = "application/json"

    def __init__(
        self,
        parts: Iterator[bytes],
        n_bytes: int | None,
        pace: Pace,
        threads: anyio.CapacityLimiter,
        held: HeldBytes,
        headers: dict[str, str],
    ) -> None:
        self._parts, self._pace, self._threads, self._held = parts, pace, threads, held
        super().__init__(headers=headers)
        del self.headers["content-length"]
        if n_bytes is not None:
            self.headers["content-length"] = str(n_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Sends the response.

        Raises:
            ClientDisconnect: If the client disconnects, or reads more slowly than the pace.
        """
        gone = asyncio.create_task(_wait_until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._send_parts(send, gone)
            await send({"type": "http.response.body"})
        except TimeoutError as error:
            raise ClientDisconnect from error
        finally:
            gone.cancel()
            self._held.release()

    async def _send_parts(self, send: Send, gone: "asyncio.Task[None]") -> None:
        transfer = Transfer(self._pace)
        while part := await anyio.to_thread.run_sync(next, self._parts, b"", limiter=self._threads):
            for start in range(0, len(part), SLICE_BYTES):
                if gone.done():
                    raise ClientDisconnect
                piece = part[start : start + SLICE_BYTES]
                with transfer.wait():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                transfer.n_bytes += len(piece)


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
