"""Middleware that refuses requests of web pages of other sites: a page must not use a service on a visitor's machine."""

import ipaddress
import socket
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import problem_response
from service.core.request_errors import OriginRefused

ANY = "*"
_MAX_SHOWN_CHARS = 100
_DEFAULT_PORTS = {"http": 80, "https": 443}


class OriginGuard:
    """ASGI middleware that refuses requests whose Origin is another site, unless the operator allows that site.

    Requests without an Origin do not come from the script or form of a web page and are always accepted.

    Args:
        app: The wrapped app.
        allowed: Origins that are accepted besides that of the service, or "*" among them for all.
        is_local: Whether the service listens on this machine only. Then a page of a host name with a dot is refused even
            if the name leads here: its owner may have made it lead here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str], is_local: bool) -> None:
        self._app, self._allowed, self._is_local = app, allowed, is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            for origin in headers.getlist("origin"):
                if not self._accepts(origin.strip().lower(), headers.get("host", "")):
                    await problem_response(OriginRefused(origin[:_MAX_SHOWN_CHARS]))(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _accepts(self, origin: str, host: str) -> bool:
        if ANY in self._allowed or origin in self._allowed:
            return True
        return _is_same(origin, host.lower()) and not (self._is_local and _could_be_rebound(host))


def _is_same(origin: str, host: str) -> bool:
    """Whether an origin is that of a Host header; a proxy may have ended TLS, so the scheme may differ."""
    scheme, _, authority = origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    return port is not None and authority.removesuffix(f":{port}") == host.removesuffix(f":{port}") != ""


def _could_be_rebound(host: str) -> bool:
    """Whether anybody could own the name in a Host header: not an address, not localhost, and with a dot."""
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        name = name.lower().removesuffix(".")
        return "." in name and not name.endswith(".localhost")
    return False


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only; names and short forms are resolved, as to listen."""
    try:
        candidates = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        address = str(candidates[0][4][0]).partition("%")[0]  # without the zone of an IPv6 address
    except (OSError, UnicodeError):
        return False
    return ipaddress.ip_address(address).is_loopback
