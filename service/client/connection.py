"""The HTTP connection of a client: address, key, time limits, and the arguments of a request for httpx."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from service.client.conversation import Send

ROUTING_HEADER = "X-Session-ID"
"""Header from which Ray Serve chooses the replica, see `service.ray_app`; other services ignore it."""
DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_S = 330.0
"""A little more than the time that the service takes at most by default, so that its own message arrives."""
DEFAULT_MAX_WAIT_S = 600.0
"""The longest Retry-After of the service by default."""
_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the service is, and how it is addressed.

    Attributes:
        url: Address of the service, with the path prefix if it has one.
        key: API key; None for a service without keys.

    Raises:
        ValueError: On construction, if the URL is not one of HTTP, or the key has characters that no key has.
    """

    url: str
    key: str | None = None

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ValueError(
                f"the URL is {self.url!r}; accepted: {DEFAULT_URL}, https://example.org/earmark"
            ) from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"the URL is {self.url!r}; accepted: {DEFAULT_URL}, https://example.org/earmark")
        if self.key is not None and not (self.key.isascii() and self.key.isprintable()):
            raise ValueError("the key has characters other than printable ASCII; accepted: a key of `earmark key new`")

    @contextmanager
    def arguments(self, send: Send) -> Generator[dict[str, Any]]:
        """The arguments of `httpx.Client.request` for a step; the audio file is closed at the end of the block."""
        arguments: dict[str, Any] = {"method": send.method, "url": self.url.rstrip("/") + send.path}
        headers = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        if send.clip_id is not None and send.clip_id.isascii() and send.clip_id.isalnum():
            headers[ROUTING_HEADER] = send.clip_id
        if headers:
            arguments["headers"] = headers
        if send.fields is not None:
            arguments["data"] = send.fields
        if send.audio is None:
            yield arguments
            return
        with send.audio.open() as file:
            yield arguments | {"files": {"audio": ("clip", file, "application/octet-stream")}}


def http_options(timeout_s: float) -> dict[str, Any]:
    """The options of a new httpx client: requests of other threads may take every connection for a while."""
    timeout = httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S, pool=None)
    return {"timeout": timeout, "limits": httpx.Limits(max_connections=None, max_keepalive_connections=64)}
