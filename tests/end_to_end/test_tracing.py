"""Traces of a real service, exported to a real collector."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.engine.call import STAGES
from tests import patient_http
from tests.otlp_collector import Collector, otlp_collector
from tests.service_process import Service, run_service, wav
from tests.waiting import wait_until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACING = {"TRACING": "1", "LOG_LEVEL": "info", "LOG_FORMAT": "json"}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with otlp_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


def localize(service: Service, seconds: float, **headers: str) -> httpx.Response:
    files = [("audio", ("clip.wav", wav(seconds))), ("query", (None, "a dog"))]
    return patient_http.post(f"{service.url}/localize", files=files, headers=headers)


def test_a_request_is_a_tree_of_its_stages_and_the_shutdown_exports_it(
    tiny_bundle: Path, tmp_path: Path, collector: Collector
) -> None:
    with run_service(tiny_bundle, tmp_path, **TRACING) as service:
        before_ns = time.time_ns()
        answer = localize(service, 40.0, traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="a=b")
        known = patient_http.post(
            f"{service.url}/localize", data={"clip_id": answer.json()["clip"]["id"], "query": "a cat"}
        )
        assert (answer.status_code, known.status_code) == (200, 200)
        assert service.stop() == 0
        after_ns = time.time_ns()
    first, second = sorted((span for span in collector.spans if span.kind == 2), key=lambda span: span.start_ns)
    assert (first.trace_id, first.parent_id, first.trace_state) == (TRACE, PARENT, "a=b")
    assert (second.parent_id, second.trace_id != TRACE) == ("", True)
    assert second.attributes["earmark.cached"] is True

    stages = collector.children(first)
    assert set(stages) == {"upload", *STAGES}
    assert before_ns <= first.start_ns
    assert first.end_ns <= after_ns  # the client may have the whole answer before the span ends
    for stage in stages.values():
        assert stage.trace_id == TRACE
        assert first.start_ns <= stage.start_ns <= stage.end_ns <= first.end_ns
        assert stage.attributes["earmark.busy_s"] <= (stage.end_ns - stage.start_ns) / 1e9 + 1e-6
    assert stages["upload"].end_ns <= stages["cache"].start_ns <= stages["decode"].start_ns
    assert stages["decode"].start_ns <= stages["inference"].start_ns <= stages["post"].end_ns
    assert "decode" not in collector.children(second)
    span_ids = {span.span_id for span in collector.spans}
    assert len(span_ids) == len(collector.spans)

    lines = [json.loads(line) for line in service.log.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["trace_id"] for line in requests] == [TRACE, second.trace_id]
    assert [line["request_id"] for line in requests] == [
        span.attributes["earmark.request_id"] for span in (first, second)
    ]


def test_an_unreachable_collector_is_reported_and_nothing_else_changes(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))  # nothing listens
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
    with closed, run_service(tiny_bundle, tmp_path, **TRACING) as service:
        assert patient_http.get(f"{service.url}/readyz").json() == {"status": "ready"}
        for number in range(5):
            assert localize(service, 1.0 + number / 10).status_code == 200
            wait_until(lambda: service.get("/readyz").json().get("degraded") == ["tracing"])
        answer = patient_http.get(f"{service.url}/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "degraded": ["tracing"]})
        assert service.stop() == 0
    lines = [json.loads(line) for line in service.log.splitlines()]
    warnings = {line["message"] for line in lines if line["level"] != "info"}
    assert warnings == {"a clip has warnings", "spans cannot be exported"}  # the clip is silent
    assert [line["message"] for line in lines].count("spans cannot be exported") == 1


def test_a_collector_that_hangs_does_not_hold_up_the_shutdown_beyond_the_grace_period(
    tiny_bundle: Path, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
    collector.answering.clear()
    with run_service(tiny_bundle, tmp_path, **TRACING, GRACE_S="1") as service:
        assert localize(service, 1.0).status_code == 200
        assert service.stop() == 0
        assert collector.bodies == []
    assert "the last spans are lost" in service.log
