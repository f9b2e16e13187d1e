"""Answers of many megabytes, sent so that the event loop does other things meanwhile."""

import anyio
from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

SLICE_BYTES = 1 << 18


class SlicedResponse(Response):
    """A response whose body is handed to the server a slice at a time; written whole, 75 MB hold the loop for 90 ms."""

    patience_s = 60.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Sends it.

        Raises:
            ClientDisconnect: If the client takes longer than `patience_s` for a slice.
        """
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = memoryview(self.body)
        try:
            for start in range(0, len(body), SLICE_BYTES):
                part = {
                    "type": "http.response.body",
                    "body": bytes(body[start : start + SLICE_BYTES]),
                    "more_body": True,
                }
                with anyio.fail_after(self.patience_s):  # whoever does not read keeps the whole answer in memory
                    await send(part)
        except TimeoutError as error:
            raise ClientDisconnect from error
        await send({"type": "http.response.body"})
