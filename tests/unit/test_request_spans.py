import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import Scope

from service.app import Parts, create_app
from service.core.errors import EngineStopped
from service.request_spans import SpanTracing, open_span_tracing
from service.settings import Settings
from service.shutdown import Shutdown
from tests.otlp_collector import CollectedSpan, Collector, otlp_collector
from tests.unit.api.expositions import parse_series
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "a very secret dog"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with otlp_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@asynccontextmanager
async def traced(engine: FakeEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a traced app; at the end of the block, all spans have been exported."""
    tracing = open_span_tracing("1.2.3")
    try:
        app = create_app(engine, Settings(), "1.2.3", Shutdown(), Parts(tracing=tracing))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark") as client:
            yield client
    finally:
        tracing.close(10)


async def localize(client: httpx.AsyncClient, query: str = SECRET, **headers: str) -> httpx.Response:
    files = [("audio", ("secret.wav", b"RIFF")), ("query", (None, query))]
    return await client.post("/localize", files=files, headers=headers)


def server_span(collector: Collector) -> CollectedSpan:
    (span,) = (span for span in collector.spans if span.kind == SpanKind.SERVER.value + 1)
    return span


async def test_a_request_is_a_server_span_with_conventional_attributes(
    collector: Collector, engine: FakeEngine
) -> None:
    async with traced(engine) as client:
        answer = await localize(client, **{"User-Agent": "curl/8"})
    span = server_span(collector)
    assert span.name == "POST /localize"
    assert span.parent_id == ""
    assert span.status == 0
    expected = {
        "http.request.method": "POST",
        "http.route": "/localize",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/localize",
        "server.address": "earmark",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "user_agent.original": "curl/8",
        "earmark.outcome": "ok",
        "earmark.request_id": answer.headers["x-request-id"],
        "earmark.n_queries": 1,
        "earmark.audio_s": 0.15,
        "earmark.cached": False,
    }
    assert span.attributes == expected
    assert span.resource["service.name"] == "earmark"
    assert span.resource["service.version"] == "1.2.3"


async def test_stages_are_children_within_the_time_of_the_request(collector: Collector, engine: FakeEngine) -> None:
    before_ns = time.time_ns()
    async with traced(engine) as client:
        await localize(client)
        after_ns = time.time_ns()
    span = server_span(collector)
    children = collector.children(span)
    assert set(children) == {"upload", "queue", "post"}  # the fake engine has no other stages
    assert before_ns <= span.start_ns <= children["upload"].start_ns
    for before, after in itertools.pairwise((children["upload"], children["queue"], children["post"])):
        assert before.end_ns <= after.start_ns <= after.end_ns
    assert children["post"].end_ns <= span.end_ns <= after_ns
    assert {child.trace_id for child in children.values()} == {span.trace_id}
    for child in children.values():
        assert 0 <= child.attributes["earmark.busy_s"] <= (child.end_ns - child.start_ns) / 1e9 + 1e-6


async def test_the_parent_and_its_state_come_from_the_headers(collector: Collector, engine: FakeEngine) -> None:
    async with traced(engine) as client:
        await localize(client, traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="rojo=00f0,congo=t61r")
    span = server_span(collector)
    assert (span.trace_id, span.parent_id, span.trace_state) == (TRACE, PARENT, "rojo=00f0,congo=t61r")


async def test_a_trace_that_its_parent_does_not_record_is_not_exported(
    collector: Collector, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with traced(engine) as client:
        assert (await localize(client, traceparent=f"00-{TRACE}-{PARENT}-00")).status_code == 200
    assert collector.spans == []


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "nonsense"},
        {"traceparent": f"00-{'0' * 32}-{PARENT}-01"},
        {"traceparent": "x" * 5000},
        {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "=,;\x01" * 200},
        {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": ",".join(f"k{i}=v" for i in range(500))},
        {"tracestate": "a=b"},
        {"baggage": "query=" + "x" * 9000},
    ],
)
async def test_malformed_headers_do_no_harm_and_write_no_log_lines(
    collector: Collector, engine: FakeEngine, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    caplog.set_level("WARNING")
    async with traced(engine) as client:
        assert (await localize(client, **headers)).status_code == 200
    assert len(server_span(collector).trace_id) == 32
    assert caplog.records == []


async def test_a_crash_is_recorded_without_the_message_of_the_exception(
    collector: Collector, engine: FakeEngine
) -> None:
    def fail() -> None:
        raise RuntimeError(f"cannot encode {SECRET}")

    engine.before = fail
    async with traced(engine) as client:
        assert (await localize(client)).status_code == 500
    span = server_span(collector)
    assert span.status == StatusCode.ERROR.value
    assert span.attributes["error.type"] == "internal-error"
    assert span.attributes["http.response.status_code"] == 500
    assert span.events["exception"]["exception.type"] == "builtins.RuntimeError"
    assert "in fail" in span.events["exception"]["exception.stacktrace"]
    assert SECRET.encode() not in b"".join(collector.bodies)


async def test_a_failure_of_the_service_is_an_error_and_a_fault_of_the_client_is_not(
    collector: Collector, engine: FakeEngine
) -> None:
    def stop() -> None:
        raise EngineStopped

    async with traced(engine) as client:
        assert (await localize(client, query="x" * 100)).status_code == 422
        engine.before = stop
        assert (await localize(client)).status_code == 503
    too_long, stopped = (span for span in collector.spans if span.name == "POST /localize")
    assert (too_long.status, too_long.attributes["earmark.outcome"]) == (StatusCode.UNSET.value, "query-too-long")
    assert "error.type" not in too_long.attributes
    assert (stopped.status, stopped.attributes["error.type"]) == (StatusCode.ERROR.value, "engine-stopped")


async def test_neither_queries_nor_sound_nor_file_names_are_exported(collector: Collector, engine: FakeEngine) -> None:
    async with traced(engine) as client:
        await localize(client)
        audio = {"Content-Type": "audio/wav"}
        await client.post(f"/localize?query={SECRET}", content=b"RIFF secret", headers=audio)
        await client.post(f"/localize/{SECRET}?query={SECRET}", content=b"RIFF secret", headers=audio)
        await client.post(
            "/localize", files=[("audio", ("secret.wav", b"RIFF secret")), ("threshold", (None, "secret"))]
        )
    assert len([span for span in collector.spans if span.parent_id == ""]) == 4
    assert b"secret" not in b"".join(collector.bodies)


async def test_what_a_client_sends_is_cut(collector: Collector, engine: FakeEngine) -> None:
    async with traced(engine) as client:
        await client.request("X" * 1000, "/info", headers={"User-Agent": "U" * 5000})
        await client.head(f"/clips/{'c' * 2000}")
    body = b"".join(collector.bodies)
    assert b"U" * 200 in body
    assert b"U" * 201 not in body
    assert b"X" * 10 not in body
    assert b"c" * 201 not in body
    assert collector.spans[0].attributes["http.request.method"] == "_OTHER"
    assert collector.spans[0].name == "HTTP /info"


async def test_monitoring_is_not_traced(collector: Collector, engine: FakeEngine) -> None:
    async with traced(engine) as client:
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await client.get(path)).status_code == 200
    assert collector.spans == []


async def test_histograms_have_the_trace_as_exemplar(collector: Collector, engine: FakeEngine) -> None:
    async with traced(engine) as client:
        await localize(client, traceparent=f"00-{TRACE}-{PARENT}-01")
        await localize(client, traceparent=f"00-{'a' * 32}-{PARENT}-00")
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        exposition = (await client.get("/metrics", headers=accept)).text
        assert (
            parse_series((await client.get("/metrics")).text)['earmark_requests_total{route="/localize",status="200"}']
            == 2
        )
    assert f'trace_id="{TRACE}"' in exposition
    assert "a" * 32 not in exposition


async def test_the_service_name_may_come_from_the_standard_variable(
    collector: Collector, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ears")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.version=9")
    async with traced(engine) as client:
        await localize(client)
    resource = server_span(collector).resource
    assert (resource["service.name"], resource["deployment.environment"]) == ("ears", "test")
    assert resource["service.version"] == "9"


@pytest.mark.parametrize(("variable", "value"), [("OTEL_TRACES_SAMPLER", "always_off"), ("OTEL_SDK_DISABLED", "true")])
async def test_the_standard_variables_can_stop_the_recording(
    collector: Collector, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    async with traced(engine) as client:
        assert (await localize(client)).status_code == 200
    assert collector.spans == []


async def test_a_request_whose_client_has_gone_has_no_status_code(collector: Collector) -> None:
    tracing = open_span_tracing("1")
    _begin(tracing).end("/localize", 499, {"outcome": "client-gone"})
    tracing.close(10)
    span = server_span(collector)
    assert "http.response.status_code" not in span.attributes
    assert (span.status, span.attributes["earmark.outcome"]) == (StatusCode.UNSET.value, "client-gone")


async def test_stages_outside_the_request_are_cut_to_its_time(collector: Collector) -> None:
    tracing = open_span_tracing("1")
    trace = _begin(tracing)
    now_s = time.monotonic()
    trace.add_stages({"decode": (now_s - 1000, now_s + 1000)}, {"decode": 0.5})
    trace.end("/localize", 200, {})
    tracing.close(10)
    span = server_span(collector)
    decode = collector.children(span)["decode"]
    assert span.start_ns <= decode.start_ns <= decode.end_ns == span.end_ns


def _begin(tracing: SpanTracing):
    scope: Scope = {"type": "http", "method": "POST", "path": "/localize", "headers": []}
    return tracing.begin(scope)
