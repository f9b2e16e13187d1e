"""Middleware that compresses answers for clients that accept gzip, even while an answer is still being computed."""

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_BYTES = 1024
"""Size of the smallest answer that is compressed."""
_LEVEL = 4
_THREAD_BYTES = 16 << 10
"""Size from which a piece is compressed in a worker thread, so that the event loop stays free."""


class Compression:
    """ASGI middleware that compresses answers with gzip if the client accepts gzip, and sets `Vary` for caches.

    Starlette's middleware is not used as it is: it compresses for `gzip;q=0`, and compresses every answer that comes in
    pieces, however small.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif accepts_gzip(",".join(Headers(scope=scope).getlist("accept-encoding"))):
            await _Gzip(self._app, MIN_BYTES, _LEVEL, thread_minimum_size=_THREAD_BYTES)(scope, receive, send)
        else:
            await _Identity(self._app, MIN_BYTES)(scope, receive, send)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header accepts gzip (RFC 9110, 12.5.3).

    >>> accepts_gzip("br, gzip;q=0.5"), accepts_gzip("gzip;q=0, *"), accepts_gzip("identity")
    (True, False, False)
    """
    for item in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        if coding in ("gzip", "x-gzip"):
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in ("", ".", "0.")


class _Identity(IdentityResponder):
    """Sends answers as they are; answers that would be compressed for other clients get a `Vary` header."""

    _is_small = False

    async def send_with_compression(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            length = Headers(raw=message.get("headers", [])).get("content-length", "")
            self._is_small = message["status"] in (204, 304) or (length.isdecimal() and int(length) < MIN_BYTES)
        await (self.send(message) if self._is_small else super().send_with_compression(message))


class _Gzip(_Identity, GZipResponder):
    """Sends answers compressed, unless they are small."""
