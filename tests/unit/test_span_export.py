import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from service.core.start_errors import TracingUnusable
from service.logs import Throttle
from service.span_export import LastMessage, ReportingExporter, check_variables, open_span_export
from tests.otlp_collector import Collector, otlp_collector
from tests.waiting import PATIENCE_S, wait_until


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with otlp_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An endpoint on which nothing listens."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        yield


def test_spans_are_exported_when_the_export_is_closed(collector: Collector) -> None:
    export, provider, _ = open_span_export("1")
    for name in ("a", "b"):
        provider.get_tracer("x").start_span(name).end()
    assert collector.spans == []
    export.close(10)
    export.close(10)
    assert [span.name for span in collector.spans] == ["a", "b"]
    assert not export.is_failing


def test_headers_come_from_the_standard_variables(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=abc")
    export, provider, _ = open_span_export("1")
    provider.get_tracer("x").start_span("a").end()
    export.close(10)
    assert collector.named("a")
    assert collector.headers[0]["x-token"] == "abc"


@pytest.mark.usefixtures("nobody")
def test_an_unreachable_collector_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    export, provider, _ = open_span_export("1")
    tracer = provider.get_tracer("x")
    tracer.start_span("a").end()
    wait_until(lambda: export.is_failing)
    tracer.start_span("a").end()
    time.sleep(0.5)  # more exports fail
    export.close(10)
    (line,) = caplog.records
    assert (line.levelno, line.getMessage()) == (logging.WARNING, "spans cannot be exported")
    assert "refused" in vars(line)["reason"] or "timeout" in vars(line)["reason"]


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_refusals_of_the_collector_are_failures_until_it_accepts_spans_again(
    collector: Collector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")  # for so long an export is repeated after some statuses
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    collector.status = status
    export, provider, _ = open_span_export("1")
    provider.get_tracer("x").start_span("lost").end()
    wait_until(lambda: export.is_failing)
    collector.status = 200
    provider.get_tracer("x").start_span("kept").end()
    wait_until(lambda: not export.is_failing)
    export.close(10)
    assert [span.name for span in collector.spans] == ["kept"]
    assert [record.getMessage() for record in caplog.records] == [
        "spans cannot be exported",
        "spans are exported again",
    ]
    assert vars(caplog.records[0])["n_lost"] == 1


def test_a_collector_that_does_not_answer_slows_nothing_and_delays_the_end_by_the_timeout_only(
    collector: Collector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
    collector.answering.clear()
    export, provider, _ = open_span_export("1")
    start_s = time.monotonic()
    for _ in range(5000):  # more than the queue holds, while the first export hangs
        provider.get_tracer("x").start_span("a").end()
    export.close(0.3)
    assert 0.25 < time.monotonic() - start_s < PATIENCE_S
    assert collector.bodies == []
    assert [record.getMessage() for record in caplog.records] == [
        "the last spans are lost: the collector did not take them in time"
    ]


class FailingExporter(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.FAILURE


def test_failures_are_logged_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [0.0]
    exporter = ReportingExporter(FailingExporter(), LastMessage(), Throttle(lambda: now_s[0]))
    for now_s[0] in (0.0, 1.0, 59.0, 60.0, 61.0, 121.0):
        exporter.export(())
    assert len(caplog.records) == 3


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ftp://collector"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:99999"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'; accepted: 'http/protobuf'"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
    ],
)
def test_a_collector_that_cannot_be_used_is_refused(variables: Mapping[str, str], named: str) -> None:
    with pytest.raises(TracingUnusable, match=named):
        check_variables(variables)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_PROTOCOL": "", "OTEL_TRACES_EXPORTER": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector/prefix", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1]:4318", "OTEL_TRACES_EXPORTER": "otlp"},
    ],
)
def test_other_values_are_accepted(variables: Mapping[str, str]) -> None:
    check_variables(variables)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_BSP_MAX_QUEUE_SIZE", "0"), ("OTEL_BSP_SCHEDULE_DELAY", "-1"), ("OTEL_SPAN_EVENT_COUNT_LIMIT", "many")],
)
def test_numbers_that_the_sdk_refuses_are_named_as_unusable(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(TracingUnusable):
        open_span_export("1")
