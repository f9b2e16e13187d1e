import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.types import Scope

from service import logs
from service.tracing import NO_TRACING, RequestTrace, current_trace, open_tracing, trace_id, tracing_request

ROOT = Path(__file__).parents[2]
SCOPE: Scope = {"type": "http", "method": "GET", "path": "/info", "headers": []}


class Trace:
    """A trace that does nothing."""

    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"

    def add_stages(self, times: Mapping[str, tuple[float, float]], seconds: Mapping[str, float]) -> None: ...

    def record_error(self, error: BaseException) -> None: ...

    def end(self, route: str | None, status: int, fields: Mapping[str, object]) -> None: ...


class FakeTracing:
    def __init__(self) -> None:
        self.trace = Trace()
        self.closed_s: list[float] = []

    def begin(self, scope: Scope) -> RequestTrace:
        return self.trace

    def degraded(self) -> list[str]:
        return []

    def close(self, timeout_s: float) -> None:
        self.closed_s.append(timeout_s)


def run(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs code in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=inherited | environment
    )


SERVE = "import sys; from service.__main__ import main; sys.exit(main(['serve']))"


def test_in_a_request_its_trace_is_the_current_trace() -> None:
    tracing = FakeTracing()
    with tracing_request(tracing, SCOPE) as trace:
        assert trace is current_trace() is tracing.trace
        assert trace_id() == logs.trace_id.get() == Trace.trace_id
    assert trace_id() is None
    assert current_trace() is not tracing.trace


def test_without_tracing_nothing_is_recorded_and_nothing_fails() -> None:
    with open_tracing("1", lambda: 0.0, enabled=False) as tracing, tracing_request(tracing, SCOPE) as trace:
        trace.add_stages({"decode": (0.0, 1.0)}, {"decode": 1.0})
        trace.record_error(ValueError())
        trace.end("/info", 200, {})
        assert trace_id() is None
    assert tracing is NO_TRACING
    assert tracing.degraded() == []
    tracing.close(0)


def test_without_tracing_neither_the_tracing_sdk_nor_the_exporter_is_imported() -> None:
    # FastAPI and redis import the API and, if it is installed, the metrics of the SDK for themselves.
    done = run(
        """
import sys
import service.__main__, service.engine.engine, service.engine.decoders, service.log_lines, service.server
from service.app import Parts, create_app
from service.settings import Settings
from service.shutdown import Shutdown
from service.tracing import open_tracing
from tests.unit.api.fake_engine import FakeEngine
with open_tracing("1", lambda: 0.0, enabled=Settings().tracing) as tracing:
    create_app(FakeEngine(), Settings(), "1", Shutdown(), Parts(tracing=tracing))
    print([name for name in sys.modules if name.startswith(("opentelemetry.sdk.trace", "opentelemetry.exporter", "requests"))])
""",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318",
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_tracing_without_the_extra_is_a_start_error() -> None:
    hidden = f"import sys; sys.modules['opentelemetry.sdk.trace'] = None\n{SERVE}"
    done = run(hidden, EARMARK_TRACING="1", EARMARK_PORT="0")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "earmark: tracing needs OpenTelemetry, and there is no module opentelemetry.sdk.trace: "
        "pip install 'earmark[tracing]' (EARMARK_TRACING)"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'; accepted: 'http/protobuf'"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT is not a URL such as http://"),
    ],
)
def test_a_standard_variable_that_cannot_be_used_is_a_start_error(variable: str, value: str, named: str) -> None:
    done = run(SERVE, EARMARK_TRACING="1", EARMARK_PORT="0", **{variable: value})
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, last.startswith("earmark: traces cannot be exported: ")) == (2, True)
    assert named in last
    assert last.endswith("(EARMARK_TRACING)")


@pytest.mark.parametrize(("remaining_s", "timeout_s"), [(-3.0, 0.5), (2.0, 2.0), (3600.0, 5.0)])
def test_the_last_spans_are_exported_within_the_grace_period(
    remaining_s: float, timeout_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service import request_spans

    tracing = FakeTracing()
    monkeypatch.setattr(request_spans, "open_span_tracing", lambda version: tracing)
    with open_tracing("1", lambda: remaining_s, enabled=True) as opened:
        assert opened is tracing
        assert tracing.closed_s == []
    assert tracing.closed_s == [timeout_s]


def test_fastapis_own_telemetry_which_records_the_query_string_stays_off() -> None:
    done = run(
        """
import asyncio, httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from service.app import create_app
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.fake_engine import FakeEngine
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
app = create_app(FakeEngine(), Settings(), "1", Shutdown())
async def post():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark") as client:
        headers = {"Content-Type": "audio/wav"}
        return await client.post("/localize?query=secret", content=b"RIFF", headers=headers)
print(asyncio.run(post()).status_code, exporter.get_finished_spans())
""",
        FASTAPI_OTEL_AUTO_CONFIGURE="true",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )
    assert (done.stdout, done.stderr) == ("200 ()\n", "")
