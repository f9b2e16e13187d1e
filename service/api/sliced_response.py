"""Response for answers of many megabytes, which keeps the event loop free while it is sent."""

import anyio
from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

SLICE_BYTES = 1 << 18


class SlicedResponse(Response):
    """A response that sends its body in slices: a body of 75 MB in one piece would block the event loop for 90 ms.

    Attributes:
        patience_s: Maximum time that the client may take to read a slice, in seconds.
    """

    patience_s = 60.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Sends the response.

        Raises:
            ClientDisconnect: If the client takes longer than `patience_s` to read a slice.
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
                with anyio.fail_after(self.patience_s):  # a client that does not read keeps the whole answer in memory
                    await send(part)
        except TimeoutError as error:
            raise ClientDisconnect from error
        await send({"type": "http.response.body"})
