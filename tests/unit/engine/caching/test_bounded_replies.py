"""Replies that claim or send too much, from a server in this test."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from redis import InvalidResponse, RedisError
from redis import TimeoutError as RedisTimeoutError

from service.engine.caching.bounded_replies import MAX_REPLY_BYTES, MAX_REPLY_S
from service.engine.caching.breaker import CircuitBreaker
from service.engine.caching.redis_link import REPLY_TIMEOUT_S, RedisLink, RedisUnavailable, _connection_pool
from service.engine.caching.reporting import CacheCounts
from tests.waiting import PATIENCE_S


@contextmanager
def answering(send: Callable[[socket.socket], object]) -> Iterator[str]:
    """Runs a server that answers one connection, and yields its URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                try:
                    send(connection)
                    connection.recv(1)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def reply_to(url: str, reply_timeout_s: float = REPLY_TIMEOUT_S) -> object:
    pool = _connection_pool(url, reply_timeout_s)
    connection = pool.make_connection()
    try:
        connection.send_command("GET", "key")
        return connection.read_response()
    finally:
        connection.disconnect()


def _flood(start: bytes) -> Callable[[socket.socket], object]:
    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"x" * 65536)

    return send


HUGE: dict[str, Callable[[socket.socket], object]] = {
    "a string of 2 GB that is sent": _flood(b"$2147483648\r\n"),
    "a string of 2 GB that is only announced": lambda connection: connection.sendall(b"$2147483648\r\n"),
    "a string one byte too long": lambda connection: connection.sendall(b"$%d\r\n" % MAX_REPLY_BYTES),
    "a negative length": lambda connection: connection.sendall(b"$-7\r\n"),
    "a line without end": _flood(b"+"),
    "an error without end": _flood(b"-ERR "),
    "a list of many strings": lambda connection: connection.sendall(
        b"*1000000000\r\n" + (b"$65536\r\n" + b"x" * 65536 + b"\r\n") * 20
    ),
    "a list of many empty strings": lambda connection: connection.sendall(b"*1000000000\r\n" + b"$0\r\n\r\n" * 200_000),
}


@pytest.mark.parametrize("reply", HUGE)
def test_a_reply_above_the_limit_is_refused_before_it_takes_memory(reply: str) -> None:
    with answering(HUGE[reply]) as url:
        tracemalloc.start()
        try:
            with pytest.raises((InvalidResponse, RedisTimeoutError)):
                reply_to(url)
            assert tracemalloc.get_traced_memory()[1] < 16 * MAX_REPLY_BYTES
        finally:
            tracemalloc.stop()


def test_lists_in_lists_without_end_are_refused() -> None:
    with (
        answering(lambda connection: connection.sendall(b"*1\r\n" * 100_000)) as url,
        pytest.raises((RedisError, RecursionError)),
    ):
        reply_to(url)


@pytest.mark.parametrize("size", [0, 1, 65_536, MAX_REPLY_BYTES - 100])
def test_a_reply_within_the_limit_is_read(size: int) -> None:
    content = b"ab\r\n" * (size // 4) + b"c" * (size % 4)
    with answering(lambda connection: connection.sendall(b"$%d\r\n%s\r\n" % (size, content))) as url:
        assert reply_to(url, PATIENCE_S) == content


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"$1000000\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def test_a_reply_that_drips_for_ever_is_given_up() -> None:
    with answering(_drip) as url, pytest.raises(RedisError):
        reply_to(url)


def test_a_caller_gives_up_a_reply_that_drips_before_the_parser_does() -> None:
    def read() -> None:
        with answering(_drip) as url, closing(RedisLink(url, CacheCounts(), CircuitBreaker(1, 1000))) as link:
            began_s = time.monotonic()
            with pytest.raises(RedisUnavailable):
                link.read("get", lambda redis: redis.get("key"))
            waits_s.append(time.monotonic() - began_s)

    waits_s: list[float] = []
    for _ in range(4):
        read()
    assert REPLY_TIMEOUT_S <= min(waits_s) < MAX_REPLY_S  # a busy machine lengthens some of them


def test_a_caller_gets_no_reply_from_a_server_that_announces_too_much() -> None:
    with (
        answering(_flood(b"$2147483648\r\n")) as url,
        closing(RedisLink(url, CacheCounts(), CircuitBreaker(1, 1000))) as link,
    ):
        with pytest.raises(RedisUnavailable) as caught:
            link.read("get", lambda redis: redis.get("key"))
        assert caught.value.refusal is None
        assert link.breaker_state == "open"
