"""`earmark serve` with API keys: as a process that reads its keys again on SIGHUP."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import patient_http
from tests.redis_server import RedisServer
from tests.service_process import ROOT, Service, read_reply, run_service, wav
from tests.waiting import PATIENCE_S, avoid_the_end_of_a_minute, wait_until


def _key(*arguments: str) -> str:
    command = [sys.executable, "-m", "service", "key", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


@pytest.fixture
def key(keys_file: Path) -> str:
    return _key("new", "first", "--file", str(keys_file), "--rate", "10", "--audio-seconds-per-day", "5")


@pytest.fixture
def service(tiny_bundle: Path, tmp_path: Path, keys_file: Path, key: str) -> Iterator[Service]:
    with run_service(tiny_bundle, tmp_path, KEYS_FILE=str(keys_file), HOST="0.0.0.0") as service:
        service.url = service.url.replace("0.0.0.0", "127.0.0.1")
        yield service


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_keys_come_and_go_on_sighup_also_for_open_connections(service: Service, keys_file: Path, key: str) -> None:
    with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as client:
        assert client.get("/info", headers=_bearer(key)).status_code == 200
        second = _key("new", "second", "--file", str(keys_file))
        _key("revoke", "first", "--file", str(keys_file))
        assert client.get("/info", headers=_bearer(key)).status_code == 200  # the file was not read again yet
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: client.get("/info", headers=_bearer(second)).status_code == 200)
        assert client.get("/info", headers=_bearer(key)).status_code == 401
        keys_file.write_text("[")
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: client.get("/readyz").json().get("degraded") == ["keys-file"])
        assert client.get("/info", headers=_bearer(second)).status_code == 200
    assert service.log.count("ERROR") == 1
    assert "the keys file cannot be used; the keys stay as they were" in service.log
    assert key not in service.log
    assert service.stop() == 0


def test_signals_under_load_and_from_the_start_do_no_harm(tiny_bundle: Path, tmp_path: Path, keys_file: Path) -> None:
    key = _key("new", "a", "--file", str(keys_file), "--rate", "unlimited")
    children = tmp_path / "started"
    children.touch()
    signals = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.2; kill -HUP $$; done &"
    command = f"sleep 0.3; {signals} exec {sys.executable} -m service serve"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    settings = {"EARMARK_BUNDLE": str(tiny_bundle), "EARMARK_PORT": "0", "EARMARK_KEYS_FILE": str(keys_file)}
    command = command.replace("exec ", "trap '' HUP; exec ")  # until Python has started
    with subprocess.Popen(
        ["sh", "-c", command], env=inherited | settings, cwd=ROOT, text=True, stdout=-1, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[3]
            with httpx.Client(base_url=url, headers=_bearer(key), timeout=PATIENCE_S) as client:
                for _ in range(200):
                    process.send_signal(signal.SIGHUP)
                    assert client.get("/info").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE_S) == 0
        finally:
            process.kill()


def test_a_request_without_a_key_costs_no_upload(service: Service) -> None:
    head = b"POST /localize HTTP/1.1\r\nHost: a\r\nContent-Type: audio/wav\r\nContent-Length: 99999999\r\n\r\n"
    reply = read_reply(service.send(head + bytes(1000)))  # the rest never comes
    assert reply.status == 401
    assert "www-authenticate: bearer" in reply.headers
    assert "connection: close" in reply.headers


async def _get_at_once(url: str, key: str, n_requests: int) -> list[int]:
    limits = httpx.Limits(max_connections=n_requests)
    async with httpx.AsyncClient(base_url=url, headers=_bearer(key), limits=limits, timeout=PATIENCE_S) as client:
        answers = await asyncio.gather(*(client.get("/info") for _ in range(n_requests)))
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("with_redis", [False, True])
def test_of_200_requests_at_once_10_pass(tiny_bundle: Path, tmp_path: Path, keys_file: Path, with_redis: bool) -> None:
    """On a machine on which a reply of Redis takes more than 0.1 s, each key has a second count, which is in memory."""
    keys = [_key("new", name, "--file", str(keys_file), "--rate", "10") for name in ("a", "b", "c")]
    redis = RedisServer(tmp_path) if with_redis else None
    settings = {"REDIS_URL": redis.url} if redis else {}
    numbers: list[int] = []
    try:
        with run_service(tiny_bundle, tmp_path, KEYS_FILE=str(keys_file), **settings) as service:
            for key in keys:
                avoid_the_end_of_a_minute(20)  # after it more requests pass
                statuses = asyncio.run(_get_at_once(service.url, key, 200))
                assert statuses.count(200) + statuses.count(429) == 200
                numbers.append(statuses.count(200))
    finally:
        if redis:
            redis.stop()
    assert min(numbers) == 10
    assert max(numbers) <= (20 if redis else 10)


def test_redis_may_die_between_requests(tiny_bundle: Path, tmp_path: Path, keys_file: Path) -> None:
    key = _key("new", "a", "--file", str(keys_file), "--audio-seconds-per-day", "3")
    redis = RedisServer(tmp_path)
    avoid_the_end_of_a_minute(30)  # the quota is that of a day
    with run_service(tiny_bundle, tmp_path, KEYS_FILE=str(keys_file), REDIS_URL=redis.url) as service:

        def post(seconds: float) -> httpx.Response:
            files = {"audio": wav(seconds), "query": (None, "low")}
            return patient_http.post(f"{service.url}/localize", files=files, headers=_bearer(key))

        assert post(1.0).headers["ratelimit"].split('"audio";r=')[1].startswith("2;")
        redis.stop()
        answer = post(1.5)
        assert answer.status_code == 200
        assert answer.headers["ratelimit"].split('"audio";r=')[1].startswith("0;")
        assert post(0.6).status_code == 200
        assert post(0.7).json()["type"] == "/problems/audio-quota-exceeded"
        assert service.metric('earmark_key_audio_seconds_total{key="a"}') == pytest.approx(3.1)


def test_headers_that_are_not_text_are_refused_or_unknown(service: Service) -> None:
    for value in (b"Bearer \xc3\xa4\xff", b"Bearer " + b"k" * 60_000, b"bearer\tx"):
        with socket.create_connection(service.address, timeout=PATIENCE_S) as client:
            client.sendall(
                b"GET /info HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: " + value + b"\r\n\r\n"
            )
            assert b"".join(iter(lambda: client.recv(65_536), b"")).startswith(b"HTTP/1.1 401 ")
