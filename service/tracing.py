"""Tracing as the rest of the service sees it. Importing this module does not load OpenTelemetry."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from starlette.types import Scope

from service import logs
from service.core.start_errors import TracingUnavailable

_MIN_FLUSH_S, _MAX_FLUSH_S = 0.5, 5.0

StageTimes = Mapping[str, tuple[float, float]]
"""Monotonic times at which stages began and ended, in seconds, by the name of the stage."""


class RequestTrace(Protocol):
    """The part of a trace that one request adds: a span for the request, and a span for each of its stages."""

    @property
    def trace_id(self) -> str | None:
        """Id of the trace, in hexadecimal; None if the trace is not recorded."""
        ...

    def add_stages(self, times: StageTimes, seconds: Mapping[str, float]) -> None:
        """Adds a span for each stage.

        Args:
            times: When each stage began and ended; the request was not in a stage for all of that time.
            seconds: Time that the request spent in each stage, in seconds.
        """
        ...

    def record_error(self, error: BaseException) -> None:
        """Records a fault of the service, without the exception's message, which may contain what a client sent."""
        ...

    def end(self, route: str | None, status: int, fields: Mapping[str, object]) -> None:
        """Ends the span of the request.

        Args:
            route: Path pattern of the route; None if no route matches the request.
            status: Status of the answer.
            fields: Fields of the request's log line, which become attributes.
        """
        ...


class Tracing(Protocol):
    """Records traces of requests, and exports them."""

    def begin(self, scope: Scope) -> RequestTrace:
        """Begins the span of a request, in the trace that the headers of the request name."""
        ...

    def degraded(self) -> list[str]:
        """The word "tracing" while traces cannot be exported."""
        ...

    def close(self, timeout_s: float) -> None:
        """Exports the remaining spans. Those that cannot be exported within the timeout, in seconds, are lost."""
        ...


class _NoTrace:
    """The trace of a request that is not traced."""

    trace_id = None

    def add_stages(self, times: StageTimes, seconds: Mapping[str, float]) -> None:
        pass

    def record_error(self, error: BaseException) -> None:
        pass

    def end(self, route: str | None, status: int, fields: Mapping[str, object]) -> None:
        pass


class _NoTracing:
    """Tracing that is off."""

    def begin(self, scope: Scope) -> RequestTrace:  # noqa: ARG002 - as in `Tracing`
        return _NO_TRACE

    def degraded(self) -> list[str]:
        return []

    def close(self, timeout_s: float) -> None:
        pass


_NO_TRACE: RequestTrace = _NoTrace()
NO_TRACING: Tracing = _NoTracing()
"""Tracing that is off: it costs nothing and records nothing."""

_current_trace: ContextVar[RequestTrace] = ContextVar("current_trace", default=_NO_TRACE)


@contextmanager
def open_tracing(version: str, remaining_s: Callable[[], float], *, enabled: bool) -> Generator[Tracing]:
    """Traces requests in the `with` block; the standard `OTEL_*` environment variables configure the export.

    Args:
        version: Version of the service, an attribute of all traces.
        remaining_s: Returns the rest of the grace period, in seconds, at the end of the block. The last spans are
            exported in this time, but for at least `_MIN_FLUSH_S` and at most `_MAX_FLUSH_S`.
        enabled: Whether requests are traced; if not, the tracing part of OpenTelemetry is not imported.

    Raises:
        TracingUnavailable: If OpenTelemetry is not installed.
        TracingUnusable: If the value of an `OTEL_*` variable is not accepted.
    """
    if not enabled:
        yield NO_TRACING
        return
    try:
        from service.request_spans import open_span_tracing
    except ModuleNotFoundError as error:
        raise TracingUnavailable(error.name or str(error)) from error
    tracing = open_span_tracing(version)
    try:
        yield tracing
    finally:
        tracing.close(min(max(remaining_s(), _MIN_FLUSH_S), _MAX_FLUSH_S))


@contextmanager
def tracing_request(tracing: Tracing, scope: Scope) -> Generator[RequestTrace]:
    """Begins the trace of a request, and makes it the current trace in the `with` block, which ends it."""
    trace = tracing.begin(scope)
    trace_token, id_token = _current_trace.set(trace), logs.trace_id.set(trace.trace_id)
    try:
        yield trace
    finally:
        logs.trace_id.reset(id_token)
        _current_trace.reset(trace_token)


def current_trace() -> RequestTrace:
    """The trace of the current request; outside a request, or if tracing is off, a trace that records nothing."""
    return _current_trace.get()


def trace_id() -> str | None:
    """Id of the current trace, in hexadecimal; None outside a request, or if the trace is not recorded."""
    return logs.trace_id.get()
