"""The headers X-Forwarded-For, -Proto, -Host and -Prefix of reverse proxies; no other module reads them.

A client can send these headers, too. They are believed only on connections from proxies that the operator names, and are
removed from every request, so that nothing else can believe them.
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.api.root_path import RootPathMiddleware
from service.trusted_proxies import Network

_HEADERS = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"})
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~-]+)+")
_MAX_PREFIX_CHARS = 200
_PEER = "earmark.peer"
_REMEMBERED_ADDRESSES = 256
_MAX_ADDRESS_CHARS = 64


class ForwardedHeaders:
    """ASGI middleware that gives the app the client, scheme, host and path prefix that a trusted proxy has seen.

    The client is the last address in X-Forwarded-For that is no trusted proxy: what stands before it came from the client
    itself. Of the other headers, the last value counts, which the proxy next to the service has written. A value that is no
    address, host or prefix is ignored.

    Args:
        app: The wrapped app.
        trusted: Addresses of the trusted proxies.
        accepts_prefix: Whether X-Forwarded-Prefix is accepted; not if the operator has set the prefix.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[Network], accepts_prefix: bool) -> None:
        self._app, self._trusted, self._accepts_prefix = app, tuple(trusted), accepts_prefix
        self._with_client = ProxyHeadersMiddleware(self._without_headers, [str(network) for network in trusted])  # pyright: ignore[reportArgumentType] - uvicorn has types of ASGI of its own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer = _plain(scope.get("client"))
        if peer is None or not _is_in(peer[0], self._trusted):
            await self._without_headers(scope, receive, send)
            return
        scope[_PEER] = scope["client"] = peer
        await self._with_client(scope, receive, send)  # pyright: ignore[reportArgumentType]

    async def _without_headers(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, after the headers were read if its peer is trusted."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        scope["headers"] = [header for header in headers if header[0] not in _HEADERS]
        app = self._app
        peer = scope.pop(_PEER, None)
        if peer is not None:
            scope["client"] = _plain(scope["client"]) or peer
            host = _last_value(headers, b"x-forwarded-host")
            if _HOST.fullmatch(host):
                others = [header for header in scope["headers"] if header[0] != b"host"]
                scope["headers"] = [(b"host", host), *others]
            prefix = _last_value(headers, b"x-forwarded-prefix").rstrip(b"/")
            if self._accepts_prefix and len(prefix) <= _MAX_PREFIX_CHARS and _PREFIX.fullmatch(prefix):
                app = RootPathMiddleware(app, prefix.decode("ascii"))
        await app(scope, receive, send)


def _plain(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """An address without the IPv6 form of IPv4 addresses; None if it is no IP address."""
    if client is None or len(client[0]) > _MAX_ADDRESS_CHARS:
        return None
    host = _plain_host(client[0])
    return None if host is None else (host, client[1])


@lru_cache(maxsize=_REMEMBERED_ADDRESSES)
def _plain_host(host: str) -> str | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


@lru_cache(maxsize=_REMEMBERED_ADDRESSES)
def _is_in(host: str, networks: tuple[Network, ...]) -> bool:
    """Whether an IP address is in one of the networks."""
    return any(ipaddress.ip_address(host) in network for network in networks)


def _last_value(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The last value of a header, which may be a list and be repeated; empty if there is none."""
    values = [value for header, value in headers if header == name]
    return values[-1].rpartition(b",")[2].strip() if values else b""
