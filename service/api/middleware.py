"""Middleware around every request: request id, log line, metrics, and the answer to a crash.

It is pure ASGI, because Starlette's BaseHTTPMiddleware hides a client's disconnect from the app.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.body import declared_bytes
from service.api.metrics import OTHER_ROUTE, Metrics
from service.api.problems import INTERNAL_ERROR, crash_response, problem_response
from service.connections import OVER_LIMIT
from service.core.errors import EarmarkError, ServiceEnding, TooManyConnections
from service.logs import request_id
from service.request_fields import add_request_fields, request_fields
from service.tracing import NO_TRACING, Tracing, current_trace, tracing_request

REQUEST_ID = "X-Request-ID"
CLIENT_GONE = 499  # the status that nginx logs if the client disconnects before the answer
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET_ROUTES = {"/livez", "/readyz", "/metrics"}
"""Routes of probes, which are answered on connections beyond the limit, too."""

log = logging.getLogger(__name__)


class RequestMiddleware:
    """ASGI middleware that gives every request an id, logs it, counts it, and answers it if the app crashes.

    Args:
        app: The wrapped app.
        metrics: Metrics in which requests are counted.
        on_server_fault: Called after each crash of the app.
        is_shutting_down: Returns whether the process is shutting down, and cancels the requests that take too long.
        refuse_connection: Called for each request that is refused because its connection exceeds the limit, with the
            declared size of its body; returns the error.
        tracing: Records a trace of each request, except those of monitoring.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        on_server_fault: Callable[[], None],
        is_shutting_down: Callable[[], bool] = lambda: False,
        refuse_connection: Callable[[int], EarmarkError] = lambda _: TooManyConnections(1, 1),
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._app = app
        self._is_shutting_down, self._refuse_connection = is_shutting_down, refuse_connection
        self._metrics, self._tracing = metrics, tracing
        self._on_server_fault = on_server_fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client_id = Headers(scope=scope).get(REQUEST_ID, "")
        token = request_id.set(client_id if _ACCEPTED_ID.fullmatch(client_id) else uuid.uuid4().hex)
        fields: dict[str, object] = {}
        fields_token = request_fields.set(fields)
        start_s = time.perf_counter()
        status = 0
        self._metrics.begin_request()
        with tracing_request(NO_TRACING if _path(scope) in _QUIET_ROUTES else self._tracing, scope) as trace:
            try:
                status = await self._answer(scope, receive, send)
            finally:
                status = status or CLIENT_GONE
                fields.setdefault("outcome", _outcome(status))
                self._record(scope, status, time.perf_counter() - start_s, fields)
                trace.end(getattr(scope.get("route"), "path", None), status, fields | {"request_id": request_id.get()})
                request_fields.reset(fields_token)
                request_id.reset(token)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Runs the app, answers in its place if it crashes, and returns the status of the answer."""
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id.get() or ""
            await send(message)

        try:
            if scope.get("state", {}).get(OVER_LIMIT) and _path(scope) not in _QUIET_ROUTES:
                refused = self._refuse_connection(declared_bytes(Headers(scope=scope)))
                await problem_response(refused)(scope, receive, send_with_id)
            else:
                await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            return CLIENT_GONE
        except asyncio.CancelledError:
            if status or not self._is_shutting_down():
                raise
            await problem_response(ServiceEnding())(scope, receive, send_with_id)
        except Exception as error:
            log.exception("the app crashed")
            current_trace().record_error(error)
            add_request_fields(outcome=INTERNAL_ERROR.name)
            self._on_server_fault()
            if status:
                raise
            await crash_response()(scope, receive, send_with_id)
        return status

    def _record(self, scope: Scope, status: int, seconds: float, added: dict[str, object]) -> None:
        route = getattr(scope.get("route"), "path", OTHER_ROUTE)
        self._metrics.end_request(route, status, seconds)
        fields = {"method": scope["method"], "route": route, "status": status, "outcome": added["outcome"]}
        fields |= added | {"duration_ms": round(seconds * 1000, 1)}
        log.log(logging.DEBUG if route in _QUIET_ROUTES else logging.INFO, "request", extra=fields)


def _outcome(status: int) -> str:
    """The outcome of a request that no problem answered."""
    if status == CLIENT_GONE:
        return "client-gone"
    return "ok" if status < 400 else f"http-{status}"


def _path(scope: Scope) -> str:
    """The path of a request, without the path prefix of the service."""
    return scope["path"].removeprefix(scope.get("root_path", ""))
