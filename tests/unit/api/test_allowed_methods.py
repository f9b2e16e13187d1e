import httpx
import pytest

from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio

GET_PATHS = ["/", "/livez", "/readyz", "/info", "/metrics", "/problems/not-found", "/docs", "/openapi.json"]
STATIC = "/docs/static/swagger-ui.css"


@pytest.mark.parametrize("path", [*GET_PATHS, STATIC])
async def test_head_answers_as_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    get = await client.get(path, headers={"Accept-Encoding": "identity"})
    head = await client.head(path, headers={"Accept-Encoding": "identity"})
    assert (head.status_code, get.status_code) == (200, 200)
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":  # every request changes the metrics
        assert head.headers["content-length"] == get.headers["content-length"]


async def test_head_of_what_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    for path in ("/problems/nothing", "/nowhere"):
        assert (await client.head(path)).status_code == 404


@pytest.mark.parametrize(
    ("path", "allowed"), [*((path, "GET, HEAD") for path in GET_PATHS), ("/localize", "POST"), ("/clips/x", "HEAD")]
)
async def test_allow_names_every_method_of_the_path_and_only_those(
    client: httpx.AsyncClient, engine: FakeEngine, path: str, allowed: str
) -> None:
    engine.known.add("x")
    for method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "BREW"):
        answer = await client.request(method, path)
        if method in allowed.split(", "):
            assert answer.status_code != 405
        else:
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_allow_of_a_static_file_is_complete(client: httpx.AsyncClient) -> None:
    answer = await client.post(STATIC)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
