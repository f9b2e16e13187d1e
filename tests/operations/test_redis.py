"""Redis as docker-compose.yml starts it: closed to strangers, bounded, and forgetful; and the service with it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import AuthenticationError, Redis, ResponseError

from tests import patient_http
from tests.free_ports import free_port
from tests.operations.checkout import Checkout, prepare_checkout
from tests.operations.programs import Program, running
from tests.service_process import run_service, wav
from tests.waiting import wait_until


@contextmanager
def redis_of(checkout: Checkout, port: int) -> Iterator[Program]:
    """Runs the command of docker-compose.yml on a port of this machine."""
    command = [*checkout.command("redis"), "--port", str(port), "--bind", "127.0.0.1"]
    with running(command, checkout.root / "redis.log", lambda: is_healthy(checkout, port)) as program:
        yield program


def is_healthy(checkout: Checkout, port: int) -> bool:
    """The result of the health check of docker-compose.yml."""
    check = checkout.health_check("redis").replace("redis-cli", f"redis-cli -p {port}")
    return subprocess.run(["sh", "-c", check], check=False).returncode == 0


def url_of(checkout: Checkout, port: int) -> str:
    url = checkout.secret("redis_url").read_text().strip()
    assert url.endswith("@redis:6379/0")
    return url.replace("@redis:6379", f"@127.0.0.1:{port}")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return prepare_checkout(tmp_path, REDIS_MAXMEMORY="8mb")


@pytest.fixture
def port(checkout: Checkout) -> Iterator[int]:
    """The port of a running Redis."""
    port = free_port()
    with redis_of(checkout, port):
        yield port


@pytest.fixture
def client(checkout: Checkout, port: int) -> Iterator[Any]:
    """A client with the password of the service."""
    with Redis.from_url(url_of(checkout, port)) as client:
        yield client


def test_a_stranger_can_do_nothing(port: int) -> None:
    for url in (f"redis://127.0.0.1:{port}", f"redis://:guess@127.0.0.1:{port}", f"redis://earmark:@127.0.0.1:{port}"):
        with Redis.from_url(url) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()


def test_the_health_check_fails_without_redis(checkout: Checkout) -> None:
    assert not is_healthy(checkout, free_port())


@pytest.mark.parametrize(
    "words",
    ["CONFIG GET *", "CONFIG SET dir /tmp", "FLUSHALL", "KEYS *", "SAVE", "BGSAVE", "SHUTDOWN", "ACL LIST", "MONITOR",
     "DEBUG SLEEP 1", "MODULE LIST", "REPLICAOF 127.0.0.1 1", "INFO", "CLIENT KILL TYPE normal"],
)  # fmt: skip
def test_the_password_of_the_service_gives_no_power_over_redis(client: Any, words: str) -> None:
    with pytest.raises(ResponseError, match=r"no permissions|not allowed"):
        client.execute_command(*words.split())


def test_the_password_of_the_service_allows_what_a_cache_and_limits_need(client: Any) -> None:
    assert client.set("a", b"1", ex=10)
    assert client.eval("return redis.call('INCRBY', KEYS[1], ARGV[1])", 1, "a", 2) == 3
    assert client.evalsha(client.script_load("return redis.call('GET', KEYS[1])"), 1, "a") == b"3"
    assert client.unlink("a") == 1


def test_full_memory_evicts_what_was_used_least_recently(client: Any) -> None:
    for number in range(150):  # 5 MB in 8 MB of memory
        client.set(f"old:{number}", bytes(32_768))
    time.sleep(1.5)  # the clock of the eviction has seconds
    assert client.get("old:0") is not None
    for number in range(150):
        client.set(f"new:{number}", bytes(32_768))
    old = client.exists(*[f"old:{number}" for number in range(150)])
    new = client.exists(*[f"new:{number}" for number in range(150)])
    assert client.get("old:0") is not None
    assert old + new < 250
    assert new > 140 > old


def test_nothing_is_written_to_disk_and_nothing_survives_a_restart(checkout: Checkout) -> None:
    port = free_port()
    before = {path for path in checkout.root.rglob("*") if path.is_file()}
    with redis_of(checkout, port), Redis.from_url(url_of(checkout, port)) as client:
        client.mset({f"key:{number}": b"x" * 100 for number in range(20_000)})
    after = {path for path in checkout.root.rglob("*") if path.is_file()}
    assert {path.name for path in after - before} == {"redis.log"}
    with redis_of(checkout, port), Redis.from_url(url_of(checkout, port)) as client:
        assert client.dbsize() == 0


def test_the_service_shares_embeddings_through_redis_with_the_secrets_from_files(
    checkout: Checkout, port: int, tiny_bundle: Path, tmp_path: Path
) -> None:
    url = url_of(checkout, port)
    checkout.secret("redis_url").unlink()  # it is read-only
    checkout.secret("redis_url").write_text(f"{url}\n")
    settings = {
        name.removeprefix("EARMARK_"): value
        for name, value in checkout.environment("earmark").items()
        if name.endswith("_FILE")
    }
    assert set(settings) == {"REDIS_URL_FILE", "REDIS_KEY_FILE"}
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    settings["CACHE_BYTES"] = "0"  # clips are kept in Redis only
    with (
        run_service(tiny_bundle, folders[0], **settings) as first,
        run_service(tiny_bundle, folders[1], **settings) as second,
    ):

        def is_shared() -> bool:
            """Sends a clip to one service and its id to the other; a busy Redis may not take the clip in time."""
            fields = {"clip_id": first.post(wav(2.0)).json()["clip"]["id"], "query": "low"}
            known = patient_http.post(f"{second.url}/localize", data=fields)
            return known.status_code == 200 and known.json()["clip"]["cached"]

        wait_until(is_shared)
        assert second.metric('earmark_cache_lookups_total{outcome="hit",tier="redis"}') >= 1
        for service in (first, second):
            wait_until(lambda service=service: "degraded" not in service.get("/readyz").json())
