"""Middleware for request targets in absolute form: `GET http://host/livez HTTP/1.1`, which proxies and some clients send."""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


class OriginFormTargets:
    """ASGI middleware that gives the app the path of an absolute target, and its authority as Host (RFC 9112, 3.2.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] == "http":
            absolute = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"")
            if absolute:
                authority, path = absolute[1].rpartition(b"@")[2], absolute[2] or b"/"
                others = [(name, value) for name, value in scope["headers"] if name != b"host"]
                scope["headers"] = [(b"host", authority), *others]
                scope["raw_path"] = path
                scope["path"] = scope.get("root_path", "") + unquote(path.decode("ascii"))
        await self._app(scope, receive, send)
