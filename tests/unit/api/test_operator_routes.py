import re

import httpx
import pytest

from service.engine.caching.reporting import CacheCounts
from service.engine.caching.tiers import EmbeddingCache, clip_memory
from service.settings import Settings
from tests.unit.api.broken_tier import BrokenTier
from tests.unit.api.conftest import Post, make_client
from tests.unit.api.expositions import parse_series
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio


async def test_readiness_is_checked_once_by_a_forward_pass(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    for _ in range(3):
        assert (await client.get("/readyz")).json() == {"status": "ready"}
    assert engine.n_checks == 1


async def test_a_redis_that_does_not_answer_is_reported_but_the_service_is_ready(
    engine: FakeEngine, settings: Settings
) -> None:
    engine.cache = EmbeddingCache(clip_memory(0), BrokenTier(), CacheCounts())
    async with make_client(engine, settings) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "degraded": ["redis"]})
        assert (await client.head("/readyz")).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probes_may_send_head(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.head(path)).status_code == 200


async def test_the_documentation_needs_no_other_host(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    loaded = re.findall(r"""(?:src|href|url)(?:=|: )["']([^"']+)""", page)
    assert {path.rsplit("/")[-1] for path in loaded} >= {"swagger-ui-bundle.js", "swagger-ui.css", "openapi.json"}
    for path in loaded:
        assert path.startswith("/")
        assert (await client.get(path)).status_code == 200


async def test_a_crash_makes_readiness_be_checked_again(
    client: httpx.AsyncClient, post: Post, engine: FakeEngine
) -> None:
    await client.get("/readyz")
    engine.before, engine.healthy = lambda: 1 / 0, False
    await post()
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/not-ready"
    assert answer.headers["retry-after"] == "5"
    assert "secret" not in answer.text
    assert (await client.get("/livez")).status_code == 200
    engine.healthy = True
    assert (await client.get("/readyz")).status_code == 200
    assert engine.n_checks == 3


async def test_a_clients_error_leaves_readiness_alone(
    client: httpx.AsyncClient, post: Post, engine: FakeEngine
) -> None:
    await client.get("/readyz")
    await post(query="")
    await client.get("/readyz")
    assert engine.n_checks == 1


async def test_a_client_that_disconnects_during_its_upload_is_counted_and_is_no_fault(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/localize",
        "raw_path": b"/localize",
        "query_string": b"",
        "headers": [(b"content-type", b"multipart/form-data; boundary=b")],
    }
    await transport.app(scope, receive, send)  # pyright: ignore[reportArgumentType]
    assert sent == []
    series = parse_series((await client.get("/metrics")).text)
    assert series['earmark_requests_total{route="/localize",status="499"}'] == 1
    await client.get("/readyz")
    assert engine.n_checks == 1
