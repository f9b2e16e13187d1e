"""The path prefix under which a proxy publishes the service, whether or not the proxy removes the prefix."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

current_root_path: ContextVar[str] = ContextVar("current_root_path", default="")
"""The prefix of the service that handles the current request: empty, or with a leading slash only."""


@contextmanager
def under_root_path(prefix: str) -> Generator[None]:
    """Sets the prefix of the problem types that the `with` block creates."""
    token = current_root_path.set(prefix)
    try:
        yield
    finally:
        current_root_path.reset(token)


class RootPathMiddleware:
    """ASGI middleware that sets `root_path`, and adds the prefix to every path, as ASGI requires.

    A proxy that removes the prefix sends `/info`, and another proxy sends `/prefix/info`; both become `/prefix/info`,
    from which the router removes the prefix.

    Args:
        app: The wrapped app.
        root_path: The prefix.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        prefix = self._root_path
        scope["root_path"] = prefix
        if scope["type"] == "http" and not scope["path"].startswith(f"{prefix}/"):
            scope["path"] = prefix + scope["path"]
            scope["raw_path"] = prefix.encode("ascii") + (scope.get("raw_path") or b"")
        with under_root_path(prefix):
            await self._app(scope, receive, send)
