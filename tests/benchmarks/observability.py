"""CPU time of a log line and of tracing, by request: python -m tests.benchmarks.observability

The time is that of the event loop's thread, so other work on the machine changes it little.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from types import SimpleNamespace

from starlette.types import Message, Receive, Scope, Send

from service.api.metrics import Metrics
from service.api.middleware import RequestMiddleware
from service.engine.call import STAGES
from service.log_lines import make_formatter
from service.tracing import NO_TRACING, Tracing, current_trace, trace_id
from tests.otlp_collector import otlp_collector

_N, _REPEATS = 500, 5
_STAGES = ("upload", *STAGES)
_HEADERS = [(b"user-agent", b"curl/8"), (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]


def main() -> None:
    fields = {"method": "POST", "route": "/localize", "status": 200, "outcome": "ok", "n_queries": 2, "audio_s": 38.0}
    fields |= {f"{stage}_ms": 1.5 for stage in _STAGES} | {"duration_ms": 9.0, "cached": False}
    record = logging.getLogger("service.x").makeRecord("service.x", 20, "", 1, "request", (), None, extra=fields)
    json_lines, text_lines = make_formatter("json"), make_formatter("text")
    print(f"request line as JSON: {_time_us(lambda: json_lines.format(record)):.0f} us")
    print(f"request line as text: {_time_us(lambda: text_lines.format(record)):.0f} us")
    logging.disable(logging.CRITICAL)
    print(f"request without tracing: {_request_us(NO_TRACING):.0f} us")
    with otlp_collector() as collector:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        start_s = time.process_time()
        from service.request_spans import open_span_tracing

        tracing = open_span_tracing("0")
        print(f"start of tracing: {(time.process_time() - start_s) * 1e3:.0f} ms")
        print(f"request with tracing: {_request_us(tracing):.0f} us")
        tracing.close(5)


def _time_us(work: Callable[[], object]) -> float:
    """Shortest CPU time of this thread for a call, of several repetitions, in microseconds."""
    times_s: list[float] = []
    for _ in range(_REPEATS):
        start_s = time.thread_time()
        for _ in range(_N):
            work()
        times_s.append((time.thread_time() - start_s) / _N)
    return min(times_s) * 1e6


def _request_us(tracing: Tracing) -> float:
    middleware = RequestMiddleware(_answer, Metrics(trace_id), lambda: None, tracing=tracing)
    loop = asyncio.new_event_loop()
    try:
        return _time_us(lambda: loop.run_until_complete(middleware(_scope(), _receive, _send)))
    finally:
        loop.close()


def _scope() -> Scope:
    route, scope = SimpleNamespace(path="/localize"), {"type": "http", "method": "POST", "path": "/localize"}
    return scope | {"headers": _HEADERS, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "route": route}


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that has been in every stage."""
    now_s = time.monotonic()
    current_trace().add_stages(dict.fromkeys(_STAGES, (now_s, now_s)), dict.fromkeys(_STAGES, 0.0))
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def _receive() -> Message:
    return {"type": "http.disconnect"}


async def _send(message: Message) -> None:
    pass


if __name__ == "__main__":
    main()
