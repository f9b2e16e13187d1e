"""The reverse proxy as docker-compose.yml starts it, in front of a real service: TLS, limits on bodies and times, paths."""

import json
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import patient_http
from tests.operations.checkout import Checkout, prepare_checkout
from tests.operations.proxies import Proxy, proxy_of
from tests.service_process import Service, head, run_service, wav
from tests.waiting import wait_until

HEAD_TIMEOUT_S = 10


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_service(tiny_bundle, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    checkout = prepare_checkout(tmp_path_factory.mktemp("checkout"))
    limits = {"PROXY_MAX_BODY_BYTES": str(2 << 20), "PROXY_REQUEST_TIMEOUT": "4s"}
    with proxy_of(checkout, "{}:{}".format(*service.address), **limits) as proxy:
        yield proxy


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return prepare_checkout(tmp_path)


def send(proxy: Proxy, content: bytes) -> tuple[int, bytes]:
    """Sends bytes, reads until the connection is closed, and returns the status and the body."""
    with proxy.connect() as client:
        client.sendall(content)
        received = b"".join(iter(lambda: client.recv(65_536), b""))
    first, _, body = received.partition(b"\r\n\r\n")
    return int(first.split()[1]) if first else 0, body


def test_the_configuration_is_valid_and_formatted(checkout: Checkout) -> None:
    place = Path(checkout.command("proxy")[-1])
    for command in (["validate", "--adapter", "caddyfile", "--config", str(place)], ["fmt", str(place)]):
        done = subprocess.run(["caddy", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout == place.read_text()


def test_a_request_is_answered_over_tls(proxy: Proxy) -> None:
    with proxy.client() as client:
        answer = client.post("/localize", files={"audio": wav(2.0)}, data={"query": "low"})
        assert answer.status_code == 200
        assert answer.json()["clip"]["duration_s"] == 2.0
        assert client.get("/docs").status_code == 200


def test_the_page_is_reachable_and_may_search(proxy: Proxy) -> None:
    with proxy.client() as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        files = re.findall(r'(?:src|href)="(web/[^"]+)"', page.text)
        assert "web/main.js" in files
        assert [client.get(f"/{file}").status_code for file in files] == [200] * len(files)
        headers = {"Origin": str(client.base_url).rstrip("/")}
        answer = client.post("/localize", files={"audio": wav(2.0)}, data={"query": "low"}, headers=headers)
        assert answer.status_code == 200


def test_plain_http_is_redirected(proxy: Proxy) -> None:
    answer = patient_http.get(f"http://localhost:{proxy.http}/info")
    assert (answer.status_code, answer.headers["location"]) == (308, "https://localhost/info")


def test_a_certificate_of_another_authority_is_not_presented(proxy: Proxy) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        patient_http.get(f"{proxy.url}/info")


def test_old_versions_of_tls_are_refused(proxy: Proxy) -> None:
    context = proxy.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError, match="PROTOCOL_VERSION"):
        patient_http.get(f"{proxy.url}/info", verify=context)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_above_the_limit_gets_a_problem(proxy: Proxy, service: Service, chunked: bool) -> None:
    body = bytes(3 << 20)
    headers = {"Content-Type": "audio/wav"}
    with proxy.client() as client:
        content = iter([body[:65_536]] * 48) if chunked else body
        answer = client.post("/localize?query=low", content=content, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
        assert answer.json() == {"type": "about:blank", "title": "Request Entity Too Large", "status": 413}
    wait_until(lambda: service.metric("earmark_requests_in_flight") == 1)  # the request for the metrics


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/metrics/", "/metrics?x=1", "//metrics", "/./metrics", "/info/../metrics", "/%6Detrics", "/metrics%2F",
     "/Metrics", "/%2e/metrics", "/metrics;x", "/info/%2e%2e/metrics", "http://localhost/metrics", "/metrics%00",
     "/\\metrics"],
)  # fmt: skip
def test_metrics_cannot_be_read_through_the_proxy(proxy: Proxy, path: str) -> None:
    status, body = send(proxy, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert status in (400, 404), body
    assert b"earmark_" not in body


def test_a_slow_head_is_cut_off(proxy: Proxy) -> None:
    start_s = time.monotonic()
    with proxy.connect() as client:
        client.sendall(b"POST /localize HTTP/1.1\r\nHost: localhost\r\n")
        while client.recv(1024):
            pass
    assert time.monotonic() - start_s > HEAD_TIMEOUT_S - 1


def test_a_slow_body_is_cut_off_and_holds_nothing_at_the_service(proxy: Proxy, service: Service) -> None:
    with proxy.connect() as client:
        client.sendall(head("Content-Length: 1000").replace(b"Host: a", b"Host: localhost") + b"--b\r\n")
        while client.recv(1024):
            pass
    wait_until(lambda: service.metric("earmark_requests_in_flight") == 1)  # the request for the metrics
    assert service.refused("slow") == 0  # the proxy was faster than the service


def test_a_long_head_is_refused(proxy: Proxy) -> None:
    status, _ = send(proxy, b"GET /info HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n")
    assert status == 431


def test_another_host_name_gets_nothing_of_the_service(proxy: Proxy) -> None:
    status, body = send(proxy, b"GET /info HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n")
    assert b"earmark" not in body
    assert status in (200, 404, 421)
    assert body == b""


def test_without_the_service_the_answer_is_a_problem(checkout: Checkout) -> None:
    with proxy_of(checkout, "127.0.0.1:1") as proxy, proxy.client() as client:
        answer = client.get("/info")
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/problem+json")
    assert json.loads(answer.content)["title"] == "Bad Gateway"
