"""Export of spans with OTLP over HTTP, configured by the standard `OTEL_*` variables; it never delays a request.

Spans wait in a bounded queue, and a thread sends them in batches. A collector that fails costs spans, and nothing else.
"""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from service.core.start_errors import TracingUnusable
from service.logs import Throttle

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_EXPORTERS, _EXPORTER = "OTEL_TRACES_EXPORTER", "otlp"
_FAILING_LOGGERS = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")
"""Loggers of the SDK that write a line for each failed attempt and for each lost span."""
_CLIENT_LOGGERS = ("opentelemetry.trace", "opentelemetry.baggage")
"""Loggers of the SDK that write a line for each malformed header of a client."""

log = logging.getLogger(__name__)


class LastMessage(logging.Filter):
    """A filter that keeps lines out of the log, and remembers the text of the last line."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Remembers a line, and returns false, so that the line is not logged."""
        self.text = record.getMessage()
        return False


class ReportingExporter(SpanExporter):
    """An exporter that reports failures of another exporter in the log, at most once a minute.

    Args:
        exporter: The other exporter.
        last_message: Remembers why the other exporter failed.
        throttle: Limits how often a failure is logged.

    Attributes:
        is_failing: Whether the last export failed.
    """

    def __init__(self, exporter: SpanExporter, last_message: LastMessage, throttle: Throttle) -> None:
        self.is_failing = False
        self._exporter, self._last_message, self._throttle = exporter, last_message, throttle
        self._n_lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Exports spans."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self.is_failing:
                self.is_failing = False
                log.info("spans are exported again", extra={"n_lost": self._n_lost})
            return result
        self.is_failing = True
        self._n_lost += len(spans)
        if self._throttle.is_due():
            log.warning("spans cannot be exported", extra={"n_lost": self._n_lost, "reason": self._last_message.text})
        return result

    def shutdown(self) -> None:
        """Ends the other exporter."""
        self._exporter.shutdown()


class SpanExport:
    """The running export of spans.

    Args:
        provider: Provider whose spans are exported.
        exporter: Reports whether the export works.
        last_message: Keeps the lines of the SDK out of the log until the export is closed.
    """

    def __init__(self, provider: TracerProvider, exporter: ReportingExporter, last_message: LastMessage) -> None:
        self._provider, self._exporter, self._last_message = provider, exporter, last_message
        for name in _FAILING_LOGGERS:
            logging.getLogger(name).addFilter(last_message)

    @property
    def is_failing(self) -> bool:
        """Whether the last export failed."""
        return self._exporter.is_failing

    def close(self, timeout_s: float) -> None:
        """Exports the remaining spans, and gives up after the timeout, in seconds. May be called repeatedly."""
        ending = threading.Thread(target=self._provider.shutdown, name="span-export-end", daemon=True)
        ending.start()
        ending.join(timeout_s)
        if ending.is_alive():
            log.warning("the last spans are lost: the collector did not take them in time", extra={"time_s": timeout_s})
            return
        for name in _FAILING_LOGGERS:
            logging.getLogger(name).removeFilter(self._last_message)


def open_span_export(version: str) -> tuple[SpanExport, TracerProvider, TextMapPropagator]:
    """Starts an export, and returns it with a provider of spans and the propagator of `OTEL_PROPAGATORS`.

    Raises:
        TracingUnusable: If the value of an `OTEL_*` variable is not accepted.
    """
    check_variables(os.environ)
    last_message = LastMessage()
    try:
        from opentelemetry.propagate import get_global_textmap  # raises an exception for an unknown propagator

        exporter = ReportingExporter(OTLPSpanExporter(), last_message, Throttle())
        provider = TracerProvider(resource=_resource(version), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        raise TracingUnusable(str(error)) from error
    for name in _CLIENT_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    return SpanExport(provider, exporter, last_message), provider, get_global_textmap()


def check_variables(environment: Mapping[str, str]) -> None:
    """Checks the variables that name the collector and its protocol.

    Raises:
        TracingUnusable: If the value of a variable is not accepted.
    """
    for name in _PROTOCOLS:
        if (protocol := environment.get(name, _PROTOCOL)) not in ("", _PROTOCOL):
            raise TracingUnusable(f"{name} is {protocol!r}; accepted: {_PROTOCOL!r}")
    if (exporter := environment.get(_EXPORTERS, _EXPORTER)) not in ("", _EXPORTER):
        raise TracingUnusable(f"{_EXPORTERS} is {exporter!r}; accepted: {_EXPORTER!r}, or EARMARK_TRACING=0")
    for name in _ENDPOINTS:
        if (url := environment.get(name)) and not _is_http_url(url):
            raise TracingUnusable(f"{name} is not a URL such as http://collector:4318")


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _resource(version: str) -> Resource:
    """Attributes of all spans: those of `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`, and our name otherwise."""
    detected = Resource.create()
    added = {} if SERVICE_VERSION in detected.attributes else {SERVICE_VERSION: version}
    if str(detected.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        added[SERVICE_NAME] = "earmark"
    return detected.merge(Resource(added))
