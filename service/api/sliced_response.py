"""Response for answers of many megabytes, which are computed and sent in pieces."""

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
    """A JSON answer whose parts are computed while it is sent; a single piece of 75 MB would block the event loop.

    Args:
        beginning: The body, or its beginning.
        rest: The other parts of the body, if it is not complete. A worker thread computes each part when the client
            has read the earlier parts, so the whole answer is never in memory.
        pace: The slowest accepted pace of the client.
        threads: Limit on the worker threads that compute parts.
        held: Bytes that the answer holds; released when the answer is sent or the client disconnects.
        headers: More headers.
    """

    media_type = "application/json"

    def __init__(
        self,
        beginning: bytes,
        rest: Iterator[bytes] | None,
        pace: Pace,
        threads: anyio.CapacityLimiter,
        held: HeldBytes,
        headers: dict[str, str],
    ) -> None:
        self._beginning, self._rest, self._pace, self._threads, self._held = beginning, rest, pace, threads, held
        super().__init__(headers=headers)
        del self.headers["content-length"]  # that of an empty body
        if rest is None:
            self.headers["content-length"] = str(len(beginning))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Sends the response.

        Raises:
            ClientDisconnect: If the client disconnects, or reads more slowly than the pace.
        """
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if self._rest is None and len(self._beginning) <= SLICE_BYTES:
                body = {"type": "http.response.body", "body": self._beginning}
                await Transfer(self._pace).wait_for(send(body))
            else:
                await self._send_slices(send, receive)
        except TimeoutError as error:
            raise ClientDisconnect from error
        finally:
            self._held.release()

    async def _send_slices(self, send: Send, receive: Receive) -> None:
        """Sends a long body, and stops if the client disconnects."""
        gone = asyncio.create_task(_wait_until_gone(receive))
        try:
            await self._send_parts(send, gone)
            await send({"type": "http.response.body"})
        finally:
            gone.cancel()

    async def _send_parts(self, send: Send, gone: "asyncio.Task[None]") -> None:
        transfer, part = Transfer(self._pace), self._beginning
        while part:
            for start in range(0, len(part), SLICE_BYTES):
                if gone.done():
                    raise ClientDisconnect
                piece = part[start : start + SLICE_BYTES]
                await transfer.wait_for(send({"type": "http.response.body", "body": piece, "more_body": True}))
                transfer.n_bytes += len(piece)
            part = b""
            if self._rest is not None:
                part = await anyio.to_thread.run_sync(next, self._rest, b"", limiter=self._threads)


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
