from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from service.api.forwarded import ForwardedHeaders
from service.settings import Settings
from service.trusted_proxies import split_networks
from tests.unit.api.conftest import make_client
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio
PROXY = ("10.0.0.5", 4000)
STRANGER = ("192.0.2.7", 4000)
HEADERS = [
    (b"host", b"inside:8000"),
    (b"x-forwarded-for", b"203.0.113.9"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"sound.example"),
    (b"x-forwarded-prefix", b"/earmark"),
]


async def view(
    peer: tuple[str, int] | None, *headers: tuple[bytes, bytes], trusted: str = "10.0.0.0/8, ::1", prefix: bool = True
) -> dict[str, Any]:
    """What the app sees of a request."""
    seen: dict[str, Any] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(scope)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    scope = {"type": "http", "scheme": "http", "path": "/info", "raw_path": b"/info", "client": peer}
    middleware = ForwardedHeaders(app, split_networks(trusted), prefix)
    await middleware(scope | {"headers": list(headers), "root_path": ""}, nothing, nothing)
    assert not [name for name, _ in seen["headers"] if name.startswith(b"x-forwarded-")]
    return seen


async def test_what_a_trusted_proxy_has_seen_counts() -> None:
    seen = await view(PROXY, *HEADERS)
    assert (seen["client"][0], seen["scheme"]) == ("203.0.113.9", "https")
    assert seen["headers"] == [(b"host", b"sound.example")]
    assert (seen["root_path"], seen["path"], seen["raw_path"]) == ("/earmark", "/earmark/info", b"/earmark/info")


@pytest.mark.parametrize("peer", [STRANGER, ("::2", 1), None, ("testclient", 1), ("10.0.0.5.evil", 1)])
async def test_what_a_stranger_says_does_not(peer: tuple[str, int] | None) -> None:
    seen = await view(peer, *HEADERS)
    assert (seen["client"], seen["scheme"], seen["root_path"], seen["path"]) == (peer, "http", "", "/info")
    assert seen["headers"] == [(b"host", b"inside:8000")]


async def test_without_trusted_proxies_not_even_this_machine_is_believed() -> None:
    seen = await view(("127.0.0.1", 1), *HEADERS, trusted="")
    assert (seen["client"], seen["scheme"]) == (("127.0.0.1", 1), "http")


@pytest.mark.parametrize(
    ("values", "client"),
    [
        ([b"6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ([b"6.6.6.6, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        ([b"6.6.6.6", b"203.0.113.9", b"10.1.1.1"], "203.0.113.9"),
        ([b"203.0.113.9:443"], "203.0.113.9"),
        ([b"2001:db8::1"], "2001:db8::1"),
        ([b"[2001:db8::1]:443"], "2001:db8::1"),
        ([b"::ffff:203.0.113.9"], "203.0.113.9"),
        ([b"10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        ([b""], "10.0.0.5"),
        ([b"<script>"], "10.0.0.5"),
        ([b"203.0.113.9, unknown"], "10.0.0.5"),
        ([b"\xff\xfe" + b"1" * 10_000], "10.0.0.5"),
    ],
)
async def test_the_client_is_the_last_address_that_is_no_proxy(values: list[bytes], client: str) -> None:
    seen = await view(PROXY, *((b"x-forwarded-for", value) for value in values))
    assert seen["client"][0] == client


async def test_a_proxy_is_recognized_in_the_ipv6_form_of_its_address() -> None:
    assert (await view(("::ffff:10.0.0.5", 1), *HEADERS))["client"][0] == "203.0.113.9"


@pytest.mark.parametrize("scheme", [b"HTTPS", b"javascript", b"https, http", b"", b"ftp"])
async def test_an_unknown_scheme_is_ignored(scheme: bytes) -> None:
    assert (await view(PROXY, (b"x-forwarded-proto", scheme)))["scheme"] in ("http", "https")
    assert (await view(PROXY, (b"x-forwarded-proto", scheme)))["scheme"] == "http"


@pytest.mark.parametrize(
    "host", [b"a b", b"a/b", b"a@b", b"", b"a:b", b"a" * 300, b"\xff", b"a:123456", b"a\tb", b"[::1"]
)
async def test_what_is_no_host_is_ignored(host: bytes) -> None:
    seen = await view(PROXY, (b"host", b"inside"), (b"x-forwarded-host", host))
    assert seen["headers"] == [(b"host", b"inside")]


@pytest.mark.parametrize(
    "host", [b"sound.example", b"sound.example:8443", b"[::1]:8000", b"evil.example, sound.example"]
)
async def test_the_host_of_the_nearest_proxy_counts(host: bytes) -> None:
    seen = await view(PROXY, (b"host", b"inside"), (b"x-forwarded-host", host))
    assert seen["headers"] == [(b"host", host.split(b", ")[-1])]


@pytest.mark.parametrize(
    "prefix", [b"earmark", b"/", b"//evil.example", b"/a//b", b"/a b", b"/a?b", b"/%2e", b"/" + b"a" * 200]
)
async def test_what_is_no_prefix_is_ignored(prefix: bytes) -> None:
    assert (await view(PROXY, (b"x-forwarded-prefix", prefix)))["root_path"] == ""


async def test_the_prefix_of_the_operator_stands() -> None:
    assert (await view(PROXY, *HEADERS, prefix=False))["root_path"] == ""


def _client(peer: str, **settings: str) -> httpx.AsyncClient:
    client = make_client(FakeEngine(), Settings(**settings))
    transport = httpx.ASGITransport(client._transport.app, client=(peer, 1))  # type: ignore[attr-defined]
    return httpx.AsyncClient(transport=transport, base_url="http://inside")


@pytest.mark.parametrize("path", ["/nowhere", "/earmark/nowhere"])
@pytest.mark.parametrize(
    ("root_path", "forwarded", "expected"),
    [("", "/earmark", "/earmark"), ("/earmark", "/other", "/earmark"), ("", "/earmark/", "/earmark")],
)
async def test_the_prefix_of_a_proxy_is_in_problem_types_and_the_document(
    root_path: str, forwarded: str, expected: str, path: str
) -> None:
    async with _client("10.0.0.5", trusted_proxies="10.0.0.5", root_path=root_path) as client:
        headers = {"X-Forwarded-Prefix": forwarded}
        assert (await client.get(path, headers=headers)).json()["type"] == f"{expected}/problems/not-found"
        document = (await client.get("/openapi.json", headers=headers)).json()
        assert document["servers"] == [{"url": expected}]
        assert f"{expected}/openapi.json" in (await client.get("/docs", headers=headers)).text


async def test_one_proxys_prefix_does_not_stay_for_the_next_request() -> None:
    async with _client("10.0.0.5", trusted_proxies="10.0.0.5") as client:
        for prefix in ("/a", "/b", ""):
            headers = {"X-Forwarded-Prefix": prefix} if prefix else {}
            document = (await client.get("/openapi.json", headers=headers)).json()
            assert document.get("servers", [{"url": ""}])[0]["url"] == prefix


@pytest.mark.parametrize(("peer", "status"), [("10.0.0.5", 200), ("10.0.0.6", 403)])
async def test_pages_under_the_public_name_of_a_proxy_may_use_the_service(peer: str, status: int) -> None:
    async with _client(peer, trusted_proxies="10.0.0.5", host="10.0.0.1") as client:
        headers = {"Origin": "https://sound.example", "X-Forwarded-Host": "sound.example"}
        assert (await client.get("/info", headers=headers)).status_code == status
