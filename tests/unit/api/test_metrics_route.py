import httpx
import pytest

from service.api.problems import MEDIA_TYPE
from service.app import create_apps
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio


def _clients(port: int) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    apps = create_apps(FakeEngine(), Settings(metrics_port=port), "0", Shutdown())
    api, metrics = (httpx.ASGITransport(app) for app in (apps.api, apps.metrics))
    return httpx.AsyncClient(transport=api, base_url="http://a"), httpx.AsyncClient(
        transport=metrics, base_url="http://a"
    )


async def test_metrics_are_on_the_main_port_by_default() -> None:
    api, _ = _clients(0)
    assert (await api.get("/metrics")).status_code == 200
    assert (await api.head("/metrics")).status_code == 200


async def test_a_port_of_their_own_has_the_metrics_and_nothing_else() -> None:
    api, metrics = _clients(9100)
    answer = await api.get("/metrics")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    assert "/metrics" not in (await api.get("/openapi.json")).json()["paths"]
    exposition = (await metrics.get("/metrics")).text
    assert 'earmark_requests_total{route="other",status="404"} 1.0' in exposition
    for path in ("/", "/livez", "/readyz", "/info", "/localize", "/docs", "/openapi.json", "/redoc"):
        refused = await metrics.get(path)
        assert (refused.status_code, refused.headers["content-type"]) == (404, MEDIA_TYPE)
    assert (await metrics.post("/metrics")).status_code == 405


async def test_pages_of_other_sites_may_not_read_the_metrics() -> None:
    _, metrics = _clients(9100)
    assert (await metrics.get("/metrics", headers={"Origin": "https://evil.example"})).status_code == 403
