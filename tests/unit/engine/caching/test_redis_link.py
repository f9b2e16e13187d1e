from contextlib import closing
from pathlib import Path

import pytest

from service.engine.caching.breaker import CircuitBreaker
from service.engine.caching.redis_link import (
    FAILURES,
    REPLY_TIMEOUT_S,
    RedisLink,
    RedisUnavailable,
    _connection_pool,
    check_url,
    without_secrets,
)
from service.engine.caching.reporting import CacheCounts
from tests.redis_server import RedisServer
from tests.unit.engine.caching.conftest import PATIENT
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:secret@host", "redis://***@host"),
        ("rediss://user:s@cret@host/1", "rediss://***@host/1"),
        ("redis://host?password=secret&db=1", "redis://host?password=***&db=1"),
    ],
)
def test_a_url_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize("url", ["redis://host:6379/0", "rediss://:secret@host", "unix:///run/redis.sock?db=2"])
def test_urls_of_redis_are_accepted_without_connecting(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("url", ["http://host", "host:6379", "redis://host:port", "redis://host?unknown=1"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        check_url(url)


def test_a_url_cannot_change_the_bounds() -> None:
    options = _connection_pool(
        "redis://host?socket_timeout=100&max_connections=1000", REPLY_TIMEOUT_S
    ).connection_kwargs
    assert options["socket_timeout"] == REPLY_TIMEOUT_S


def test_reads_reply_and_writes_happen_in_the_background(server: RedisServer) -> None:
    counts = CacheCounts()
    with closing(RedisLink(server.url, counts, CircuitBreaker(FAILURES, 1), PATIENT)) as link:
        link.write("put", lambda redis: redis.set("key", b"value"))
        wait_until(lambda: link.read("get", lambda redis: redis.get("key")) == b"value")
        assert link.breaker_state == "closed"
    assert sum(counts.read()["failures"].values()) == 0


def test_after_repeated_failures_no_request_is_sent(tmp_path: Path) -> None:
    counts = CacheCounts()
    with closing(RedisLink(f"unix://{tmp_path}/none", counts, CircuitBreaker(FAILURES, 1000))) as link:
        sent: list[bool] = []
        for _ in range(FAILURES + 2):
            with pytest.raises(RedisUnavailable) as caught:
                link.read("get", lambda redis: redis.get("key"))
            sent.append(caught.value.request_sent)
        assert sent == [True] * FAILURES + [False] * 2
        assert link.breaker_state == "open"
        link.write("put", lambda redis: redis.set("key", b"value"))
        wait_until(lambda: counts.read()["drops"]["unavailable",] == 1)
    assert counts.read()["failures"]["get",] == FAILURES


def test_an_error_reply_counts_as_a_failure_but_not_against_redis(server: RedisServer) -> None:
    counts = CacheCounts()
    server.client.set("key", b"text")
    with closing(RedisLink(server.url, counts, CircuitBreaker(1, 1000), PATIENT)) as link:
        with pytest.raises(RedisUnavailable):
            link.read("get", lambda redis: redis.hgetall("key"))
        assert link.breaker_state == "closed"
    assert counts.read()["failures"]["get",] == 1
