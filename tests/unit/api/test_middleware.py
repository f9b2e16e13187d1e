import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import orjson
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.metrics import Metrics
from service.api.middleware import CLIENT_GONE, REQUEST_ID, RequestMiddleware
from service.api.problems import MEDIA_TYPE, problem_response
from service.connections import OVER_LIMIT
from service.core.errors import TooManyQueries
from service.logs import request_id
from service.request_fields import add_request_fields, request_fields
from tests.unit.api.expositions import read_series

pytestmark = pytest.mark.anyio


class Exchange:
    """One request through the middleware around an app: its messages, its metrics and the number of faults."""

    def __init__(self, app: ASGIApp, is_shutting_down: Callable[[], bool] = lambda: False) -> None:
        self.metrics = Metrics()
        self.n_faults = 0
        self.messages: list[Message] = []
        self._middleware = RequestMiddleware(app, self.metrics, self._count_fault, is_shutting_down)

    async def run(
        self,
        headers: Mapping[str, str] | None = None,
        route: str | None = "/localize",
        path: str = "/localize",
        state: Mapping[str, object] | None = None,
    ) -> None:
        scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "state": dict(state or {}),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        }
        if route is not None:
            scope["route"] = SimpleNamespace(path=route)
        await self._middleware(scope, self._receive, self._send)

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode().lower(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])

    def count(self, route: str, status: int) -> float:
        return read_series(self.metrics)[f'earmark_requests_total{{route="{route}",status="{status}"}}']

    def _count_fault(self) -> None:
        self.n_faults += 1

    async def _receive(self) -> Message:
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.messages.append(message)


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers with the id of the request."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": (request_id.get() or "").encode()})


async def crashing(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("secret of the device")


async def crashing_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise RuntimeError("secret of the device")


async def disconnected(scope: Scope, receive: Receive, send: Send) -> None:
    raise ClientDisconnect


@pytest.mark.parametrize(
    ("client_id", "kept"),
    [("abc-1.2_3", True), ("a" * 64, True), ("", False), ("a b", False), ("a" * 65, False), ("a\r\nb", False)],
)
async def test_a_request_keeps_the_clients_id_only_if_it_is_valid(client_id: str, kept: bool) -> None:
    exchange = Exchange(answering)
    await exchange.run({REQUEST_ID: client_id})
    answered_id = exchange.headers["x-request-id"]
    assert (answered_id == client_id) is kept
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answered_id)


async def test_the_app_and_the_answer_have_the_same_request_id() -> None:
    exchange = Exchange(answering)
    await exchange.run()
    assert exchange.body.decode() == exchange.headers["x-request-id"]
    assert request_id.get() is None


async def test_two_requests_without_an_id_get_different_ids() -> None:
    first, second = Exchange(answering), Exchange(answering)
    await first.run()
    await second.run()
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_an_answered_request_is_counted_by_its_route_and_status() -> None:
    exchange = Exchange(answering)
    await exchange.run(route="/clips/{clip_id}")
    assert exchange.count("/clips/{clip_id}", 200) == 1
    assert read_series(exchange.metrics)["earmark_requests_in_flight"] == 0
    assert exchange.n_faults == 0


async def test_a_request_without_a_route_is_counted_as_other() -> None:
    exchange = Exchange(answering)
    await exchange.run(route=None)
    assert exchange.count("other", 200) == 1


async def test_a_crash_is_answered_with_500_without_the_text_of_the_exception() -> None:
    exchange = Exchange(crashing)
    await exchange.run({REQUEST_ID: "r-1"})
    assert (exchange.status, exchange.headers["content-type"]) == (500, MEDIA_TYPE)
    assert orjson.loads(exchange.body)["type"] == "/problems/internal-error"
    assert b"secret" not in exchange.body
    assert exchange.headers["x-request-id"] == "r-1"
    assert exchange.count("/localize", 500) == 1
    assert exchange.n_faults == 1


async def test_a_crash_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    await Exchange(crashing).run()
    (crash,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert crash.exc_info
    assert "secret of the device" in str(crash.exc_info[1])


async def test_a_crash_after_the_answer_began_breaks_the_connection() -> None:
    exchange = Exchange(crashing_late)
    with pytest.raises(RuntimeError):
        await exchange.run()
    assert [message["type"] for message in exchange.messages] == ["http.response.start"]
    assert exchange.n_faults == 1
    assert read_series(exchange.metrics)["earmark_requests_in_flight"] == 0


async def test_a_client_that_disconnects_is_counted_with_499_and_is_no_fault() -> None:
    exchange = Exchange(disconnected)
    await exchange.run()
    assert exchange.messages == []
    assert exchange.count("/localize", CLIENT_GONE) == 1
    assert exchange.n_faults == 0


@pytest.mark.parametrize(("route", "level"), [("/localize", logging.INFO), ("/readyz", logging.DEBUG)])
async def test_requests_are_logged_and_those_of_monitoring_only_at_debug(
    caplog: pytest.LogCaptureFixture, route: str, level: int
) -> None:
    caplog.set_level(logging.DEBUG)
    await Exchange(answering).run(route=route)
    (line,) = (record for record in caplog.records if record.message == "request")
    fields = vars(line)
    assert (line.levelno, fields["method"], fields["route"], fields["status"]) == (level, "POST", route, 200)
    assert fields["duration_ms"] >= 0


async def adding_fields(scope: Scope, receive: Receive, send: Send) -> None:
    add_request_fields(key="batch", n_queries=2)
    await answering(scope, receive, send)


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    await problem_response(TooManyQueries(65, 64))(scope, receive, send)


@pytest.mark.parametrize(
    ("app", "outcome"),
    [
        (answering, "ok"),
        (refusing, "too-many-queries"),
        (crashing, "internal-error"),
        (disconnected, "client-gone"),
    ],
)
async def test_the_log_line_names_the_outcome(caplog: pytest.LogCaptureFixture, app: ASGIApp, outcome: str) -> None:
    caplog.set_level(logging.INFO)
    await Exchange(app).run()
    (line,) = (record for record in caplog.records if record.message == "request")
    assert vars(line)["outcome"] == outcome


async def test_the_log_line_has_the_fields_that_were_added(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    exchange = Exchange(adding_fields)
    await exchange.run()
    (line,) = (record for record in caplog.records if record.message == "request")
    assert (vars(line)["key"], vars(line)["n_queries"]) == ("batch", 2)
    assert request_fields.get() is None


async def cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


async def cancelled_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise asyncio.CancelledError


async def test_a_request_that_is_cancelled_by_the_shutdown_gets_503(caplog: pytest.LogCaptureFixture) -> None:
    exchange = Exchange(cancelled, is_shutting_down=lambda: True)
    await exchange.run()
    assert (exchange.status, orjson.loads(exchange.body)["type"]) == (503, "/problems/ending")
    assert exchange.count("/localize", 503) == 1
    assert exchange.n_faults == 0
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("app", [cancelled, cancelled_late])
async def test_other_cancellations_pass(app: ASGIApp) -> None:
    with pytest.raises(asyncio.CancelledError):
        await Exchange(app, is_shutting_down=lambda: False).run()


@pytest.mark.parametrize(
    ("path", "status"), [("/localize", 429), ("/info", 429), ("/readyz", 200), ("/livez", 200), ("/metrics", 200)]
)
async def test_on_connections_beyond_the_limit_only_probes_are_answered(path: str, status: int) -> None:
    exchange = Exchange(answering)
    await exchange.run(path=path, state={OVER_LIMIT: True})
    assert exchange.status == status
    if status == 429:
        assert orjson.loads(exchange.body)["type"] == "/problems/too-many-connections"


async def test_scopes_other_than_http_pass_unchanged() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing is received")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent")

    await RequestMiddleware(app, Metrics(), lambda: None)({"type": "lifespan"}, receive, send)
    assert scopes == [{"type": "lifespan"}]
