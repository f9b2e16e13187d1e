import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message

from service.access.keys import ApiKey, hash_of
from service.access.keys_file import add_key, remove_key
from service.access.opening import Access, open_access
from service.api.access import needs_key
from service.api.problems import MEDIA_TYPE
from service.app import Parts, create_app
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.conftest import make_client
from tests.unit.api.fake_engine import DURATION_S, FakeEngine

pytestmark = pytest.mark.anyio
FILES = [("audio", ("a.wav", b"RIFF")), ("query", (None, "a dog"))]
GOOD = {"Authorization": "Bearer good-key"}
OPEN = (
    "/",
    "/web/main.js",
    "/livez",
    "/readyz",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/problems/key-missing",
    "/docs/static/swagger-ui.css",
)
CLOSED = ("/localize", "/info", "/clips/0", "/nowhere", "/docs/%2e%2e/info", "//info", "/livez/", "/metricsx", "/web")


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    add_key(path, ApiKey("good", hash_of(b"good-key"), requests_per_minute=10, audio_seconds_per_day=1))
    add_key(path, ApiKey("free", hash_of(b"free-key")))
    return path


@pytest.fixture
def access(keys_file: Path) -> Access:
    return open_access(keys_file)


def _client(access: Access, engine: FakeEngine | None = None, **settings: Any) -> httpx.AsyncClient:
    app = create_app(engine or FakeEngine(), Settings(**settings), "0", Shutdown(), Parts(access=access))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark")


@pytest.fixture
async def client(access: Access) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(access) as client:
        yield client


async def _metric(client: httpx.AsyncClient, series: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return next(float(line.removeprefix(series)) for line in lines if line.startswith(f"{series} "))


def test_what_is_not_named_as_open_needs_a_key() -> None:
    assert [path for path in OPEN if needs_key(path)] == []
    assert [path for path in CLOSED if not needs_key(path)] == ["/docs/%2e%2e/info"]  # a path of no route


@pytest.mark.parametrize("path", OPEN)
async def test_open_paths_need_no_key(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


@pytest.mark.parametrize("prefix", ["", "/sound"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "BREW"])
@pytest.mark.parametrize("path", CLOSED)
async def test_nothing_else_is_answered_without_a_key(access: Access, path: str, method: str, prefix: str) -> None:
    async with _client(access, root_path=prefix) as client:
        answer = await client.request(method, f"http://earmark{prefix}{path}")  # else //info is a host
        assert answer.status_code in ((404,) if path.startswith("/docs/") else (401,))


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [b"Bearer"],
        [b"Bearer "],
        [b"Basic Z29vZC1rZXk="],
        [b"good-key"],
        [b"Bearergood-key"],
        [b"Bearer good-key", b"Bearer good-key"],
        [b"Bearer good-key", b"Basic x"],
    ],
)
async def test_a_request_without_one_readable_key_is_told_how_to_send_it(
    client: httpx.AsyncClient, values: list[bytes]
) -> None:
    headers = [(b"Authorization", value) for value in values]
    answer = await client.post("/localize", files=FILES, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (401, MEDIA_TYPE)
    assert answer.headers["www-authenticate"] == 'Bearer realm="earmark"'
    assert answer.json()["type"] == "/problems/key-missing"
    assert answer.json()["setting"] == "EARMARK_KEYS_FILE"
    assert "good-key" not in answer.text


@pytest.mark.parametrize(
    "key",
    [
        b"bad-key",
        b"GOOD-KEY",
        b"good-key,",
        b"good-key x",
        b'"good-key"',
        b"\xff\xfe",
        "schlüssel".encode(),
        b"x" * 60_000,
        hash_of(b"good-key").encode(),
    ],
)
async def test_an_unknown_key_is_refused_and_never_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, key: bytes
) -> None:
    caplog.set_level("DEBUG")
    answer = await client.post("/localize", files=FILES, headers=[(b"Authorization", b"Bearer " + key)])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="earmark", error="invalid_token"'
    assert answer.json()["type"] == "/problems/key-unknown"
    text = key.decode("latin-1")[:200]
    logged = "".join(
        str(vars(record)) for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    assert text not in logged
    assert text not in answer.text


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER ", b"Bearer   ", b"Bearer \t"])
async def test_the_scheme_may_be_written_in_any_case(client: httpx.AsyncClient, scheme: bytes) -> None:
    assert (await client.get("/info", headers=[(b"Authorization", scheme + b"good-key")])).status_code == 200


@pytest.mark.parametrize("query", ["?key=good-key", "?access_token=good-key", "?authorization=Bearer+good-key"])
async def test_a_key_in_the_url_is_no_key(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/info{query}")).status_code == 401


async def test_a_refused_request_is_answered_before_its_body_is_read(access: Access) -> None:
    app = create_app(FakeEngine(), Settings(), "0", Shutdown(), Parts(access=access))
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    for headers in ([], [(b"authorization", b"Bearer bad-key")]):
        scope = {"type": "http", "method": "POST", "path": "/localize", "headers": headers, "query_string": b""}
        await app({**scope, "raw_path": b"/localize", "http_version": "1.1", "state": {}}, receive, send)
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [401, 401]


async def test_answers_tell_what_remains(client: httpx.AsyncClient) -> None:
    answer = await client.post("/localize", files=FILES, headers=GOOD)
    assert answer.status_code == 200
    assert answer.headers["ratelimit-policy"] == '"requests";q=10;w=60, "audio";q=1;qu="audio-seconds";w=86400'
    assert re.fullmatch(r'"requests";r=9;t=\d+, "audio";r=0;t=\d+', answer.headers["ratelimit"])
    free = await client.get("/info", headers={"Authorization": "Bearer free-key"})
    assert "ratelimit" not in free.headers


async def test_of_many_requests_at_once_exactly_the_limit_passes(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.get("/info", headers=GOOD) for _ in range(200)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(answers) - len(refused), len(refused)) == (10, 190)
    for answer in refused:
        assert answer.json()["type"] == "/problems/rate-exceeded"
        assert answer.json()["violated-policies"] == ["requests"]
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.headers["ratelimit"].startswith(f'"requests";r=0;t={answer.headers["retry-after"]}')
    assert (await client.get("/livez", headers=GOOD)).status_code == 200
    assert await _metric(client, 'earmark_key_requests_total{key="good",outcome="limited"}') == 190


async def test_audio_costs_what_is_decoded_until_the_quota_is_used_up(client: httpx.AsyncClient) -> None:
    async def post(clip: bytes) -> httpx.Response:
        return await client.post("/localize", files=[("audio", ("a", clip)), FILES[1]], headers=GOOD)

    n_clips = int(1 / DURATION_S) + 1  # the last of them crosses the quota of 1 s
    for i in range(n_clips):
        answer = await post(b"RIFF%d" % i)
        assert answer.status_code == 200
    clip_id = answer.json()["clip"]["id"]
    refused = await post(b"RIFF")
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/audio-quota-exceeded")
    assert refused.json()["violated-policies"] == ["audio"]
    assert 1 <= int(refused.headers["retry-after"]) <= 86_400
    assert refused.headers["ratelimit"].endswith(f'"audio";r=0;t={refused.headers["retry-after"]}')
    assert (await client.head(f"/clips/{clip_id}", headers=GOOD)).status_code == 204
    assert await _metric(client, 'earmark_key_audio_seconds_total{key="good"}') == pytest.approx(n_clips * DURATION_S)


async def test_a_cached_clip_and_a_refused_clip_cost_nothing(client: httpx.AsyncClient) -> None:
    first = await client.post("/localize", files=FILES, headers=GOOD)
    await client.post("/localize", files=FILES, headers=GOOD)
    known = {"clip_id": first.json()["clip"]["id"], "query": ["a dog"]}
    await client.post("/localize", json=known, headers=GOOD)
    await client.post("/localize", files=FILES[:1], headers=GOOD)
    assert await _metric(client, 'earmark_key_audio_seconds_total{key="good"}') == DURATION_S
    assert await _metric(client, 'earmark_key_requests_total{key="good",outcome="ok"}') == 3
    assert await _metric(client, 'earmark_key_requests_total{key="good",outcome="client_error"}') == 1


async def test_all_series_exist_from_the_start_and_go_with_their_key(
    client: httpx.AsyncClient, access: Access, keys_file: Path
) -> None:
    assert await _metric(client, 'earmark_key_requests_total{key="good",outcome="server_error"}') == 0
    assert await _metric(client, 'earmark_key_refusals_total{reason="unknown"}') == 0
    await client.get("/info", headers=GOOD)
    remove_key(keys_file, "good")
    access.reload()
    assert (await client.get("/info", headers=GOOD)).status_code == 401
    exposition = (await client.get("/metrics")).text
    assert 'key="good"' not in exposition
    assert 'key="free"' in exposition
    assert await _metric(client, 'earmark_key_refusals_total{reason="unknown"}') == 1


async def test_a_thousand_wrong_keys_make_no_series(client: httpx.AsyncClient) -> None:
    before = (await client.get("/metrics")).text.count("\n")
    for i in range(1000):
        assert (await client.get("/info", headers={"Authorization": f"Bearer {i}"})).status_code == 401
    exposition = (await client.get("/metrics")).text
    assert exposition.count("\n") == before
    assert 'earmark_key_requests_total{key="anonymous",outcome="client_error"} 1000.0' in exposition


async def test_a_broken_keys_file_is_visible_in_readyz(
    client: httpx.AsyncClient, access: Access, keys_file: Path
) -> None:
    keys_file.write_text("[broken")
    access.reload()
    assert (await client.get("/readyz")).json() == {"status": "ready", "degraded": ["keys-file"]}
    assert (await client.get("/info", headers=GOOD)).status_code == 200


async def test_the_name_of_the_key_is_in_the_log_line(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await client.get("/info", headers=GOOD)
    (line,) = [record for record in caplog.records if record.getMessage() == "request"]
    assert vars(line)["key"] == "good"


async def test_a_crash_counts_as_an_error_of_the_server(access: Access) -> None:
    engine = FakeEngine()
    engine.before = lambda: 1 / 0  # type: ignore[assignment,return-value]
    async with _client(access, engine) as client:
        assert (await client.post("/localize", files=FILES, headers=GOOD)).status_code == 500
        assert await _metric(client, 'earmark_key_requests_total{key="good",outcome="server_error"}') == 1


async def test_without_keys_everybody_is_anonymous_and_without_limits() -> None:
    async with make_client(FakeEngine(), Settings()) as client:
        answer = await client.post("/localize", files=FILES, headers={"Authorization": "Bearer whatever"})
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers
        assert await _metric(client, 'earmark_key_requests_total{key="anonymous",outcome="ok"}') == 1
        assert await _metric(client, 'earmark_key_audio_seconds_total{key="anonymous"}') == DURATION_S


async def test_pages_of_allowed_sites_can_send_a_key_and_read_refusals(access: Access) -> None:
    origin = {"Origin": "https://site.example"}
    async with _client(access, allowed_origins="https://site.example") as client:
        preflight = origin | {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        answer = await client.options("/localize", headers=preflight)
        assert answer.status_code == 200
        assert "authorization" in answer.headers["access-control-allow-headers"]
        refused = await client.post("/localize", files=FILES, headers=origin)
        limited = [await client.get("/info", headers=GOOD | origin) for _ in range(11)][-1]
        for answer, status in ((refused, 401), (limited, 429)):
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == "https://site.example"
            exposed = answer.headers["access-control-expose-headers"].lower()
            assert {"ratelimit", "ratelimit-policy", "retry-after", "www-authenticate"} <= set(exposed.split(", "))


@pytest.mark.parametrize("with_keys", [True, False])
async def test_the_document_says_which_routes_need_a_key(access: Access, with_keys: bool) -> None:
    parts = Parts(access=access) if with_keys else None
    document = create_app(FakeEngine(), Settings(), "0", Shutdown(), parts).openapi()
    (name,) = document["components"]["securitySchemes"]
    security = {path: next(iter(methods.values()))["security"] for path, methods in document["paths"].items()}
    assert security["/localize"] == ([{name: []}] if with_keys else [{name: []}, {}])
    assert security["/info"] == security["/localize"]
    assert security["/livez"] == security["/metrics"] == security["/problems/{name}"] == []


async def test_a_client_that_leaves_is_counted_as_gone_with_what_was_decoded(access: Access) -> None:
    app = create_app(FakeEngine(), Settings(), "0", Shutdown(), Parts(access=access))
    messages: list[Message] = [{"type": "http.request", "body": b"RI", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    headers = [(b"authorization", b"Bearer good-key"), (b"content-type", b"audio/wav")]
    scope = {"type": "http", "method": "POST", "path": "/localize", "headers": headers, "query_string": b"query=a"}
    await app({**scope, "raw_path": b"/localize", "http_version": "1.1", "state": {}}, receive, send)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark") as client:
        assert await _metric(client, 'earmark_key_requests_total{key="good",outcome="gone"}') == 1


async def test_requests_at_once_cannot_exceed_the_quota_by_more_than_one_clip(access: Access) -> None:
    async with _client(access) as client:

        async def post(i: int) -> httpx.Response:
            return await client.post("/localize", files=[("audio", ("a", b"RIFF%d" % i)), FILES[1]], headers=GOOD)

        answers = await asyncio.gather(*(post(i) for i in range(10)))
        decoded_s = await _metric(client, 'earmark_key_audio_seconds_total{key="good"}')
        assert decoded_s <= 1 + DURATION_S
        refused = [answer for answer in answers if answer.status_code == 429]
        assert await _metric(client, 'earmark_key_requests_total{key="good",outcome="limited"}') == len(refused) > 0
        assert {answer.json()["type"] for answer in refused} == {"/problems/audio-quota-exceeded"}
