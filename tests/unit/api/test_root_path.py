"""The service behind a proxy that publishes it under a path prefix, and removes the prefix or keeps it."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import ValidationError

from service.app import create_app
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.conftest import make_client
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["/sound", "/a/b-c.d", "/localize", "/info"])
def prefix(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["removes", "keeps"])
async def proxied(request: pytest.FixtureRequest, engine: FakeEngine, prefix: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a proxy that publishes the service under the prefix."""
    async with make_client(engine, Settings(root_path=prefix)) as service:

        async def forward(sent: httpx.Request) -> httpx.Response:
            path = sent.url.path
            assert path.startswith(f"{prefix}/")
            if request.param == "removes":
                path = path.removeprefix(prefix)
            content = await sent.aread()
            async with service.stream(sent.method, path, headers=sent.headers, content=content) as answer:
                raw = b"".join([piece async for piece in answer.aiter_raw()])  # compressed, as it came
            return httpx.Response(answer.status_code, headers=answer.headers, content=raw)

        async with httpx.AsyncClient(transport=httpx.MockTransport(forward), base_url="http://host") as client:
            yield client


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/info", "/metrics", "/openapi.json", "/problems/not-found"])
async def test_routes_answer_under_the_prefix(proxied: httpx.AsyncClient, prefix: str, path: str) -> None:
    assert (await proxied.get(f"{prefix}{path}")).status_code == 200


async def test_clips_are_localized_and_counted_under_the_route(proxied: httpx.AsyncClient, prefix: str) -> None:
    files = [("audio", ("clip.wav", b"RIFF")), ("query", (None, "a dog barks"))]
    answer = await proxied.post(f"{prefix}/localize", files=files)
    assert answer.status_code == 200
    assert (await proxied.head(f"{prefix}/clips/{answer.json()['clip']['id']}")).status_code == 204
    metrics = (await proxied.get(f"{prefix}/metrics")).text
    assert 'earmark_requests_total{route="/localize",status="200"} 1.0' in metrics


async def test_the_page_and_its_files_are_there(proxied: httpx.AsyncClient, prefix: str) -> None:
    answer = await proxied.get(f"{prefix}/")
    assert answer.status_code == 200
    for path in re.findall(r'(?:src|href)="(web/[^"]+)"', answer.text):
        assert (await proxied.get(f"{prefix}/{path}")).status_code == 200


async def test_the_documentation_and_its_files_are_there(proxied: httpx.AsyncClient, prefix: str) -> None:
    page = (await proxied.get(f"{prefix}/docs")).text
    loaded = re.findall(r"""(?:src|href|url)(?:=|: )["']([^"']+)""", page)
    assert {path.rsplit("/")[-1] for path in loaded} >= {"swagger-ui-bundle.js", "swagger-ui.css", "openapi.json"}
    for path in loaded:
        assert path.startswith(f"{prefix}/")
        assert (await proxied.get(path)).status_code == 200


async def test_the_openapi_document_names_the_prefix_as_its_server(proxied: httpx.AsyncClient, prefix: str) -> None:
    for _ in range(2):
        assert (await proxied.get(f"{prefix}/openapi.json")).json()["servers"] == [{"url": prefix}]


async def test_problem_types_lead_to_their_descriptions(
    proxied: httpx.AsyncClient, prefix: str, engine: FakeEngine
) -> None:
    engine.before = lambda: 1 / 0
    files = [("audio", ("clip.wav", b"RIFF")), ("query", (None, "a dog barks"))]
    answers = [
        await proxied.get(f"{prefix}/nowhere"),
        await proxied.get(f"{prefix}/docs/static/nowhere.js"),
        await proxied.post(f"{prefix}/info"),
        await proxied.post(f"{prefix}/localize", files=files[:1]),
        await proxied.post(f"{prefix}/localize", files=files),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 405, 422, 500]
    for answer in answers:
        kind = answer.json()["type"]
        assert kind.startswith(f"{prefix}/problems/")
        description = await proxied.get(kind)
        assert (description.status_code, description.json()["type"]) == (200, kind)


async def test_the_prefix_is_accepted_with_a_slash_at_its_end_and_not_without_a_slash_at_its_start() -> None:
    assert Settings(root_path="/sound/").root_path == "/sound"
    assert Settings(root_path="/").root_path == ""
    for refused in ("sound", "/a//b", "/a b", "http://host/sound", "/a?b", "/" + "a" * 200):
        with pytest.raises(ValidationError):
            Settings(root_path=refused)


@pytest.mark.parametrize("target", [b"http://host/sound/livez", b"http://host/livez"])
async def test_targets_in_absolute_form_are_understood_under_a_prefix(engine: FakeEngine, target: bytes) -> None:
    statuses: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])  # pyright: ignore[reportArgumentType]

    app = create_app(engine, Settings(root_path="/sound"), version="0", shutdown=Shutdown())
    scope = {"type": "http", "method": "GET", "path": target.decode(), "raw_path": target, "query_string": b""}
    await app(scope | {"headers": [(b"host", b"host")]}, receive, send)  # pyright: ignore[reportArgumentType]
    assert statuses == [200]
