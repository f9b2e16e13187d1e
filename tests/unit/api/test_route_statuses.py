import contextlib
import itertools

import httpx
import pytest

from service.api.metrics import OTHER_ROUTE
from service.api.route_statuses import route_statuses
from service.app import create_app
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.expositions import parse_series
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio

SITE = "https://a.example"
PATHS = (
    *("/localize", "/clips/x", "/livez", "/readyz", "/info", "/metrics", "/problems/x", "/problems/audio-empty", "/"),
    *(
        "/docs",
        "/docs/oauth2-redirect",
        "/docs/static/swagger-ui.css",
        "/docs/static/none",
        "/web/main.js",
        "/web/none",
        "/openapi.json",
        "/nowhere",
    ),
)
METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "BREW")
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"Origin": SITE, "Access-Control-Request-Method": "POST"},
    {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    {"Content-Type": "text/x"},
    {"Content-Length": "99999999999"},
    {"Range": "bytes=9999999-"},
    {"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"},
)


def make_client(engine: FakeEngine) -> httpx.AsyncClient:
    app = create_app(engine, Settings(allowed_origins=SITE), version="0", shutdown=Shutdown())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://earmark")


async def test_no_request_makes_a_series_that_did_not_exist_before() -> None:
    async with make_client(FakeEngine()) as client:
        before = parse_series((await client.get("/metrics")).text)
        for path, method, headers in itertools.product(PATHS, METHODS, HEADERS):
            with contextlib.suppress(httpx.ProtocolError):
                await client.request(method, path, headers=headers)
        after = parse_series((await client.get("/metrics")).text)
    assert set(after) - set(before) == set()


@pytest.mark.parametrize("path", ["/clips/x", "/readyz"])
async def test_a_crash_makes_no_new_series(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()

    def crash(*_: object) -> bool:
        raise BaseExceptionGroup("broken", [ValueError()])

    monkeypatch.setattr(engine, "knows_clip", crash)
    monkeypatch.setattr(engine, "check", crash)
    async with make_client(engine) as client:
        before = parse_series((await client.get("/metrics")).text)
        assert (await client.head(path)).status_code >= 500
        after = parse_series((await client.get("/metrics")).text)
    assert set(after) - set(before) == set()


def test_every_documented_route_and_the_requests_without_a_route_have_statuses() -> None:
    documented = create_app(FakeEngine(), Settings(), version="0", shutdown=Shutdown()).openapi()["paths"]
    statuses = route_statuses()
    assert {*documented, OTHER_ROUTE} <= set(statuses)
    assert all({405, 499, 500} <= codes for codes in statuses.values())
    assert {200, 413, 415, 422, 429, 504} <= statuses["/localize"]
