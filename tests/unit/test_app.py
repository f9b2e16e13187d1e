import re

import httpx
import pytest

from service.api.problems import MEDIA_TYPE
from service.app import Parts, create_app
from service.engine.decoder_counts import NoDecoders
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.expositions import parse_series
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def make_client(engine: FakeEngine) -> httpx.AsyncClient:
    app = create_app(engine, Settings(), version="0", shutdown=Shutdown())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark")


async def test_apps_in_one_process_share_no_state() -> None:
    engines = FakeEngine(), FakeEngine()
    async with make_client(engines[0]) as first, make_client(engines[1]) as second:
        await first.get("/readyz")
        series = [parse_series((await client.get("/metrics")).text) for client in (first, second)]
    assert [engine.n_checks for engine in engines] == [1, 0]
    assert [answers["earmark_ready"] for answers in series] == [1, 0]


async def test_parts_that_do_not_work_are_named_but_the_service_is_ready() -> None:
    degraded: list[str] = []

    class Decoders(NoDecoders):
        def degraded(self) -> list[str]:
            return degraded

    app = create_app(FakeEngine(), Settings(), "0", Shutdown(), Parts(Decoders()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark") as client:
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        degraded.append("decoder-sandbox")
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "degraded": ["decoder-sandbox"]})


async def test_every_documented_operation_has_a_unique_id() -> None:
    app = create_app(FakeEngine(), Settings(), version="0", shutdown=Shutdown())
    ids = [operation["operationId"] for path in app.openapi()["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids)) == 13


async def test_a_path_with_a_trailing_slash_is_not_redirected() -> None:
    async with make_client(FakeEngine()) as client:
        answer = await client.get("/info/")
    assert (answer.status_code, answer.headers["content-type"]) == (404, MEDIA_TYPE)


async def test_every_answer_carries_the_clients_request_id_if_it_is_valid_and_a_new_one_otherwise() -> None:
    async with make_client(FakeEngine()) as client:
        for path in ("/livez", "/nowhere", "/docs"):
            for client_id, kept in (("abc-1.2_3", True), ("", False), ("a b", False), ("a" * 65, False)):
                answered_id = (await client.get(path, headers={"X-Request-ID": client_id})).headers["x-request-id"]
                assert (answered_id == client_id) is kept
                assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answered_id)
