"""Spans of requests: one for the request, after OpenTelemetry's conventions for HTTP servers, and one for each stage.

Attributes hold neither queries nor sound: the query string of the URL, file names and messages of exceptions are left out.
"""

import time
import traceback
from collections.abc import Mapping

from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv.attributes import (
    client_attributes,
    error_attributes,
    exception_attributes,
    http_attributes,
    network_attributes,
    server_attributes,
    url_attributes,
    user_agent_attributes,
)
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, format_trace_id, set_span_in_context
from opentelemetry.util.types import AttributeValue
from starlette.datastructures import Headers
from starlette.types import Scope

from service.span_export import SpanExport, open_span_export

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_MAX_CHARS = 200
"""Largest length of an attribute that a client has sent."""
_MAX_FRAMES = 30
_OWN_PREFIX = "earmark."
_LOWEST_FAULT, _NO_ANSWER = 500, 499


class SpanTracing:
    """Tracing with the SDK of OpenTelemetry; made by `open_span_tracing`.

    Args:
        provider: Provider of the tracer, which the export ends.
        propagator: Reads the parent of a request's span from the headers of the request.
        export: The export of the spans.
    """

    def __init__(self, provider: TracerProvider, propagator: TextMapPropagator, export: SpanExport) -> None:
        self._tracer = provider.get_tracer("earmark")
        self._propagator, self._export = propagator, export

    def begin(self, scope: Scope) -> "_SpanTrace":
        """Begins the span of a request, in the trace that the headers of the request name."""
        headers = Headers(scope=scope)
        start_ns, clock_ns = time.time_ns(), time.monotonic_ns()
        span = self._tracer.start_span(
            _method(scope),
            self._propagator.extract(headers, getter=_HEADERS),
            SpanKind.SERVER,
            _request_attributes(scope, headers),
            start_time=start_ns,
        )
        return _SpanTrace(self._tracer, span, scope, start_ns - clock_ns)

    def degraded(self) -> list[str]:
        """The word "tracing" while spans cannot be exported."""
        return ["tracing"] if self._export.is_failing else []

    def close(self, timeout_s: float) -> None:
        """Exports the remaining spans. Those that cannot be exported within the timeout, in seconds, are lost."""
        self._export.close(timeout_s)


class _SpanTrace:
    """The spans of one request: a `service.tracing.RequestTrace`.

    Args:
        tracer: Makes the spans of the stages.
        span: The span of the request.
        scope: The request.
        epoch_ns: The time of day, in nanoseconds since 1970, at which the monotonic clock showed 0.
    """

    def __init__(self, tracer: Tracer, span: Span, scope: Scope, epoch_ns: int) -> None:
        self._tracer, self._span, self._scope, self._epoch_ns = tracer, span, scope, epoch_ns
        self._start_ns = time.monotonic_ns()
        self._times: dict[str, tuple[float, float]] = {}
        self._seconds: dict[str, float] = {}

    @property
    def trace_id(self) -> str | None:
        context = self._span.get_span_context()
        return format_trace_id(context.trace_id) if context.trace_flags.sampled else None

    def add_stages(self, times: Mapping[str, tuple[float, float]], seconds: Mapping[str, float]) -> None:
        self._times, self._seconds = dict(times), dict(seconds)

    def record_error(self, error: BaseException) -> None:
        kind = type(error)
        frames = "".join(traceback.format_tb(error.__traceback__, limit=-_MAX_FRAMES))
        self._span.add_event(
            "exception",
            {
                exception_attributes.EXCEPTION_TYPE: f"{kind.__module__}.{kind.__qualname__}",
                exception_attributes.EXCEPTION_STACKTRACE: f"{frames}{kind.__qualname__}",
            },
        )

    def end(self, route: str | None, status: int, fields: Mapping[str, object]) -> None:
        end_ns = time.monotonic_ns()
        if self._span.is_recording():
            self._add_stage_spans(end_ns)
            self._describe(route, status, fields)
        self._span.end(self._epoch_ns + end_ns)

    def _add_stage_spans(self, end_ns: int) -> None:
        parent = set_span_in_context(self._span)
        for stage, (began_s, ended_s) in self._times.items():
            began_ns, ended_ns = (
                min(max(round(time_s * 1e9), self._start_ns), end_ns) for time_s in (began_s, ended_s)
            )
            busy = {f"{_OWN_PREFIX}busy_s": self._seconds[stage]}
            span = self._tracer.start_span(stage, parent, attributes=busy, start_time=self._epoch_ns + began_ns)
            span.end(self._epoch_ns + ended_ns)

    def _describe(self, route: str | None, status: int, fields: Mapping[str, object]) -> None:
        attributes: dict[str, AttributeValue] = {
            f"{_OWN_PREFIX}{name}": value if isinstance(value, bool | int | float) else str(value)[:_MAX_CHARS]
            for name, value in fields.items()
            if not name.endswith("_ms")  # the spans have the times
        }
        if route is not None:
            self._span.update_name(f"{_method(self._scope)} {route}")
            attributes[http_attributes.HTTP_ROUTE] = route
            attributes[url_attributes.URL_PATH] = str(self._scope["path"])[:_MAX_CHARS]
        if status != _NO_ANSWER:
            attributes[http_attributes.HTTP_RESPONSE_STATUS_CODE] = status
        if status >= _LOWEST_FAULT:
            attributes[error_attributes.ERROR_TYPE] = str(fields.get("outcome", status))
            self._span.set_status(StatusCode.ERROR)
        self._span.set_attributes(attributes)


class _HeaderGetter(Getter[Headers]):
    """Reads headers for a propagator."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        return carrier.getlist(key) or None

    def keys(self, carrier: Headers) -> list[str]:
        return carrier.keys()


_HEADERS = _HeaderGetter()


def open_span_tracing(version: str) -> SpanTracing:
    """Starts tracing with the SDK of OpenTelemetry.

    Raises:
        TracingUnusable: If the value of an `OTEL_*` variable is not accepted.
    """
    export, provider, propagator = open_span_export(version)
    return SpanTracing(provider, propagator, export)


def _method(scope: Scope) -> str:
    """The method of a request, or HTTP if it is not a known method."""
    return scope["method"] if scope["method"] in _METHODS else "HTTP"


def _request_attributes(scope: Scope, headers: Headers) -> dict[str, AttributeValue]:
    method = scope["method"]
    attributes: dict[str, AttributeValue] = {
        http_attributes.HTTP_REQUEST_METHOD: method if method in _METHODS else "_OTHER",
        url_attributes.URL_SCHEME: scope.get("scheme", "http"),
        network_attributes.NETWORK_PROTOCOL_VERSION: scope.get("http_version", "1.1"),
    }
    if user_agent := headers.get("user-agent"):
        attributes[user_agent_attributes.USER_AGENT_ORIGINAL] = user_agent[:_MAX_CHARS]
    if client := scope.get("client"):
        attributes[client_attributes.CLIENT_ADDRESS] = client[0]
    if server := scope.get("server"):
        attributes[server_attributes.SERVER_ADDRESS], port = server
        if port is not None:
            attributes[server_attributes.SERVER_PORT] = port
    return attributes
