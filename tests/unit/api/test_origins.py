import httpx
import pytest

from service.api.origins import is_loopback
from service.api.problems import MEDIA_TYPE
from service.settings import Settings
from tests.unit.api.conftest import make_client
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio
FILES = [("audio", ("a.wav", b"RIFF")), ("query", (None, "a dog"))]
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, x-request-id"}


def _client(**settings: object) -> httpx.AsyncClient:
    return make_client(FakeEngine(), Settings.model_validate(settings))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://localhost:8000", "localhost:8000"),
        ("http://LOCALHOST", "localhost"),
        ("https://earmark", "earmark"),  # a proxy has ended TLS
        ("https://earmark", "earmark:443"),
        ("http://earmark:80", "earmark"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://app.localhost", "app.localhost"),
    ],
)
async def test_pages_of_the_service_may_use_it(origin: str, host: str) -> None:
    async with _client() as client:
        answer = await client.post("/localize", files=FILES, headers={"Origin": origin, "Host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/localize", "/livez", "/nowhere"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://127.0.0.1:8000.evil.example",
        "http://127.0.0.1:9000",
        "http://evil.example#@127.0.0.1:8000",
        "ftp://127.0.0.1:8000",
        "127.0.0.1:8000",
        "http://" + "a" * 5_000,
    ],
)
async def test_pages_of_other_sites_may_not(origin: str, path: str, method: str) -> None:
    async with _client() as client:
        headers = {"Origin": origin, "Host": "127.0.0.1:8000"} | (PREFLIGHT if method == "OPTIONS" else {})
        answer = await client.request(method, path, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (403, MEDIA_TYPE)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-request-id"]
    if method != "HEAD":
        assert answer.json()["type"] == "/problems/origin-refused"
        assert answer.json()["setting"] == "EARMARK_ALLOWED_ORIGINS"
    assert len(answer.content) < 1_000


async def test_requests_without_an_origin_pass() -> None:
    async with _client() as client:
        assert (await client.post("/localize", files=FILES)).status_code == 200


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 403), ("::1", 403), ("0.0.0.0", 200)])
async def test_a_name_that_was_made_to_lead_to_this_machine_is_another_site(host: str, status: int) -> None:
    async with _client(host=host) as client:
        headers = {"Origin": "http://rebound.example:8000", "Host": "rebound.example:8000"}
        assert (await client.get("/info", headers=headers)).status_code == status


ALLOWED = "https://one.example, http://localhost:3000"


@pytest.mark.parametrize("origin", ["https://one.example", "http://localhost:3000"])
async def test_an_allowed_site_may_use_the_service_and_read_its_answers(origin: str) -> None:
    async with _client(allowed_origins=ALLOWED) as client:
        preflight = await client.options("/localize", headers={"Origin": origin} | PREFLIGHT)
        answers = [
            await client.post("/localize", files=FILES, headers={"Origin": origin}),
            await client.post("/localize", headers={"Origin": origin}),
        ]
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "x-request-id" in preflight.headers["access-control-allow-headers"]
    assert [answer.status_code for answer in answers] == [200, 415]
    for answer in (preflight, *answers):
        assert answer.headers["access-control-allow-origin"] == origin
        assert "Origin" in answer.headers["vary"]
    assert "Server-Timing" in answers[0].headers["access-control-expose-headers"]


async def test_a_site_that_is_not_in_the_list_is_refused_also_its_preflight() -> None:
    async with _client(allowed_origins=ALLOWED) as client:
        for origin in ("https://two.example", "https://one.example:444", "http://one.example"):
            assert (await client.options("/localize", headers={"Origin": origin} | PREFLIGHT)).status_code == 403
            assert (await client.post("/localize", files=FILES, headers={"Origin": origin})).status_code == 403


async def test_all_sites_can_be_allowed() -> None:
    async with _client(allowed_origins="*") as client:
        answer = await client.post("/localize", files=FILES, headers={"Origin": "https://any.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


async def test_options_without_a_setting_is_no_preflight() -> None:
    async with _client() as client:
        answer = await client.options("/localize", headers={"Origin": "http://earmark"} | PREFLIGHT)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_addresses_of_this_machine_only() -> None:
    hosts = {"127.0.0.1": True, "127.8.0.1": True, "::1": True, "localhost": True, "0.0.0.0": False, "10.0.0.1": False}
    hosts |= {"127.1": True, "0x7f000001": True, "LOCALHOST": True, "fe80::1%lo": False, "a" * 300: False}
    assert {host: is_loopback(host) for host in hosts} == hosts


async def test_a_short_form_of_the_loopback_address_does_not_let_rebound_names_in() -> None:
    async with _client(host="127.1") as client:
        headers = {"Origin": "http://evil.example:8000", "Host": "evil.example:8000"}
        assert (await client.post("/localize", files=FILES, headers=headers)).status_code == 403
