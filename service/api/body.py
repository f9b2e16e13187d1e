"""The body of a request: its declared size, and its pieces as they arrive. Refuses clients that send too slowly."""

import math
from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import Headers

from service.core.request_errors import UploadTimedOut, UploadTooSlow
from service.engine.call import Call
from service.pace import Pace, Transfer


def declared_bytes(headers: Headers) -> int:
    """Size of a body according to its Content-Length header, which may be wrong; 0 without this header."""
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


async def receive_body(request: Request, pace: Pace, call: Call) -> AsyncGenerator[bytes]:
    """Yields the body of a request in pieces, as it arrives.

    Raises:
        UploadTimedOut: If the deadline of the call passes before the end of the body.
        UploadTooSlow: If the client is slower than the pace.
        ClientDisconnect: If the client disconnects before the end of the body.
    """
    transfer = Transfer(pace)
    pieces = request.stream()
    while True:
        remaining_s = math.inf if call.remaining_s is None else call.remaining_s
        try:
            piece = await transfer.wait_for(anext(pieces, None), remaining_s)
        except TimeoutError as error:
            if call.remaining_s == 0 or transfer.waited_s >= pace.timeout_s:
                raise UploadTimedOut(transfer.n_bytes, pace.timeout_s) from error
            raise UploadTooSlow(transfer.n_bytes, transfer.waited_s, pace.min_bytes_per_s) from error
        if piece is None:
            return
        transfer.n_bytes += len(piece)
        yield piece
