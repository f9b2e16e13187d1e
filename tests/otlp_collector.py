"""An OTLP collector for tests: a real HTTP server that parses the spans that are exported to it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tests.http_server import Reply, Request, serve
from tests.waiting import PATIENCE_S


@dataclass(frozen=True)
class CollectedSpan:
    """A span as exported; ids are in hexadecimal, and times in nanoseconds since 1970."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    status: int
    events: Mapping[str, Mapping[str, Any]]
    resource: Mapping[str, Any]


@dataclass
class Collector:
    """What a collector has received.

    Attributes:
        url: URL of the collector.
        status: Status with which the next exports are answered; their spans are collected only if it is 200.
        bodies: The raw exports.
        headers: The headers of the exports, with names in lower case.
        spans: The spans of the exports.
    """

    url: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    spans: list[CollectedSpan] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)

    def receive(self, request: Request) -> Reply:
        self.answering.wait(PATIENCE_S)
        assert request.path == "/v1/traces", request.path
        if self.status == 200:
            self.bodies.append(request.body)
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
            self.spans += _spans(ExportTraceServiceRequest.FromString(request.body))
        return Reply(status=self.status)

    def named(self, name: str) -> CollectedSpan:
        (span,) = (span for span in self.spans if span.name == name)
        return span

    def children(self, parent: CollectedSpan) -> dict[str, CollectedSpan]:
        return {span.name: span for span in self.spans if span.parent_id == parent.span_id}


@contextmanager
def otlp_collector() -> Iterator[Collector]:
    collector = Collector()
    collector.answering.set()
    with serve() as server:
        collector.url, server.answer = server.url, collector.receive
        yield collector
        collector.answering.set()


def _spans(request: ExportTraceServiceRequest) -> Iterator[CollectedSpan]:
    for group in request.resource_spans:
        resource = _values(group.resource.attributes)
        for span in (span for scope in group.scope_spans for span in scope.spans):
            yield CollectedSpan(
                span.name,
                span.kind,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                span.trace_state,
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                _values(span.attributes),
                span.status.code,
                {event.name: _values(event.attributes) for event in span.events},
                resource,
            )


def _values(attributes: Any) -> dict[str, Any]:
    def value(item: KeyValue) -> Any:
        held: AnyValue = item.value
        return getattr(held, held.WhichOneof("value") or "string_value")

    return {item.key: value(item) for item in attributes}
