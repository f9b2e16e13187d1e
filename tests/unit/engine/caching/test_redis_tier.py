"""The cache while Redis fails in many ways: no embedding is wrong, and no call takes long."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import pytest
from redis.crc import key_slot

from service.core.warnings import AnswerWarning
from service.engine.caching.redis_link import TimeLimits
from service.engine.caching.tiers import EmbeddingCache
from service.engine.caching.value import PART_BYTES
from service.engine.clip_embedding import ClipEmbedding
from tests.redis_server import RedisServer
from tests.repeating import repeating
from tests.unit.engine.caching.conftest import HASTY, CacheOn, open_on
from tests.unit.engine.caching.embeddings import VALUE_BYTES, clip_id, equal, make_embedding
from tests.waiting import PATIENCE_S, wait_until

LIMIT_S = 30.0
"""Far above the time of any call on a busy machine, and far below that of a call that waits until a trouble is over."""
CLIP_ID = clip_id("dog")
LONG_FRAMES = 3 * PART_BYTES // make_embedding("dog", 1).n_bytes  # four parts, with the header


@contextmanager
def in_time() -> Iterator[None]:
    began = time.perf_counter()
    yield
    assert time.perf_counter() - began < LIMIT_S


@pytest.fixture
def cache(server: RedisServer, cache_on: CacheOn) -> EmbeddingCache:
    return cache_on(server.url)


def put_and_wait(cache: EmbeddingCache, name: str, embedding: ClipEmbedding) -> None:
    """Puts an embedding into the cache and waits until Redis has it."""
    cache.put(clip_id(name), embedding)
    wait_until(lambda: cache.contains(clip_id(name)))


def keys_of(server: RedisServer, name: str) -> list[bytes]:
    return sorted(server.client.keys(f"earmark:*:{clip_id(name)}}}:*"))


def counted(cache: EmbeddingCache, counter: str, *labels: str) -> int:
    return cache.report().counts[counter][labels]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("n_frames", [1, 50, LONG_FRAMES])
def test_an_embedding_of_any_length_is_read_as_it_was_written(
    cache: EmbeddingCache, server: RedisServer, n_frames: int
) -> None:
    assert cache.get(CLIP_ID) is None
    put_and_wait(cache, "dog", make_embedding("dog", n_frames))
    assert equal(cache.get(CLIP_ID), make_embedding("dog", n_frames))
    assert len(keys_of(server, "dog")) == (4 if n_frames == LONG_FRAMES else 1)
    assert all(0 < server.client.ttl(key) <= 600 for key in keys_of(server, "dog"))
    assert (counted(cache, "lookups", "redis", "miss"), counted(cache, "lookups", "redis", "hit")) == (1, 1)


def test_an_embedding_above_the_size_limit_is_not_written(cache: EmbeddingCache, server: RedisServer) -> None:
    cache.put(CLIP_ID, make_embedding("dog", VALUE_BYTES // make_embedding("dog", 1).n_bytes + 1))
    put_and_wait(cache, "rain", make_embedding("rain"))  # embeddings are written in order
    assert counted(cache, "drops", "too_large") == 1
    assert keys_of(server, "dog") == []


@pytest.mark.parametrize("part", [0, 1, 3])
def test_an_embedding_with_an_evicted_part_is_missing(cache: EmbeddingCache, server: RedisServer, part: int) -> None:
    put_and_wait(cache, "dog", make_embedding("dog", LONG_FRAMES))
    server.client.delete(keys_of(server, "dog")[part])
    assert not cache.contains(CLIP_ID)
    assert cache.get(CLIP_ID) is None
    put_and_wait(cache, "dog", make_embedding("dog", LONG_FRAMES))
    assert equal(cache.get(CLIP_ID), make_embedding("dog", LONG_FRAMES))


def _replace(value: bytes) -> Callable[[RedisServer, bytes], object]:
    return lambda server, key: server.client.set(key, value)


def _cut(server: RedisServer, key: bytes) -> None:
    server.client.set(key, server.client.getrange(key, 0, -2))


def _flip(server: RedisServer, key: bytes) -> None:
    server.client.setbit(key, 8 * 1000 + 3, 1 - server.client.getbit(key, 8 * 1000 + 3))


def _retype(server: RedisServer, key: bytes) -> None:
    server.client.delete(key)
    server.client.hset(key, "frames", "none")


HARM: dict[str, Callable[[RedisServer, bytes], object]] = {
    "garbage": _replace(b"\x80\x04garbage"),
    "garbage of a megabyte": _replace(b"x" * PART_BYTES),
    "garbage of twenty": _replace(b"x" * (20 * PART_BYTES)),
    "truncated": _cut,
    "a bit flipped": _flip,
    "another type": _retype,
}


@pytest.mark.parametrize("part", [0, 2])
@pytest.mark.parametrize("harm", HARM)
def test_a_bad_value_is_missing_and_deleted(cache: EmbeddingCache, server: RedisServer, harm: str, part: int) -> None:
    put_and_wait(cache, "dog", make_embedding("dog", LONG_FRAMES))
    HARM[harm](server, keys_of(server, "dog")[part])
    with in_time():
        assert cache.get(CLIP_ID) is None
    wait_until(lambda: keys_of(server, "dog") == [])
    assert not cache.contains(CLIP_ID)
    assert counted(cache, "bad_values") == 1
    assert counted(cache, "lookups", "redis", "miss") == 1
    put_and_wait(cache, "dog", make_embedding("dog"))
    assert equal(cache.get(CLIP_ID), make_embedding("dog"))


@pytest.mark.parametrize("harm", ["garbage", "another type"])
def test_a_bad_value_is_not_contained(cache: EmbeddingCache, server: RedisServer, harm: str) -> None:
    put_and_wait(cache, "dog", make_embedding("dog"))
    HARM[harm](server, keys_of(server, "dog")[0])
    assert not cache.contains(CLIP_ID)
    wait_until(lambda: keys_of(server, "dog") == [])


def test_another_clips_value_under_this_clips_key_is_bad(cache: EmbeddingCache, server: RedisServer) -> None:
    put_and_wait(cache, "dog", make_embedding("dog"))
    put_and_wait(cache, "rain", make_embedding("rain"))
    server.client.set(keys_of(server, "dog")[0], server.client.get(keys_of(server, "rain")[0]))
    assert cache.get(CLIP_ID) is None


@pytest.mark.parametrize(
    "name", ["", "00", "*", CLIP_ID.upper(), CLIP_ID[:-1], f"{CLIP_ID}:0", "a\r\nFLUSHALL\r\n", "é" * 64]
)
def test_an_invalid_clip_id_is_never_sent_to_redis(cache: EmbeddingCache, server: RedisServer, name: str) -> None:
    before = server.client.info("commandstats")
    assert cache.get(name) is None
    assert not cache.contains(name)
    commands = set(server.client.info("commandstats")) - set(before)
    assert commands <= {"cmdstat_info"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5])
def test_a_value_with_a_right_checksum_and_bad_frames_is_missing_deleted_and_not_kept(
    server: RedisServer, cache_on: CacheOn, value: float
) -> None:
    cache = cache_on(server.url, memory_bytes=10**7)
    stored = make_embedding("dog").stored.copy()
    stored[7, 3] = value
    cache_on(server.url).put(CLIP_ID, ClipEmbedding(stored, make_embedding("dog").duration_s))
    wait_until(lambda: keys_of(server, "dog"))
    assert cache.get(CLIP_ID) is None
    wait_until(lambda: keys_of(server, "dog") == [])
    assert (counted(cache, "bad_values"), cache.report().memory_bytes) == (1, 0)


def test_warnings_of_a_clip_are_shared(server: RedisServer, cache_on: CacheOn) -> None:
    warned = replace(make_embedding("dog"), warnings=(AnswerWarning("sound-lost", "0.1 s", 0.1, 0.2),))
    first, second = cache_on(server.url), cache_on(server.url)
    put_and_wait(first, "dog", warned)
    shared = second.get(CLIP_ID)
    assert shared is not None
    assert shared.warnings == warned.warnings


def test_caches_with_different_secret_keys_neither_read_nor_delete_values_of_each_other(
    server: RedisServer, cache_on: CacheOn
) -> None:
    first, second, third = (cache_on(server.url, key=key) for key in ("", "k" * 16, "l" * 16))
    put_and_wait(second, "dog", make_embedding("dog"))
    for other in (first, third):
        assert other.get(CLIP_ID) is None
        assert (counted(other, "bad_values"), counted(other, "lookups", "redis", "miss")) == (0, 1)
    assert equal(second.get(CLIP_ID), make_embedding("dog"))


def test_a_value_that_was_forged_without_the_key_is_deleted(server: RedisServer, cache_on: CacheOn) -> None:
    keyed, plain = cache_on(server.url, key="k" * 16), cache_on(server.url)
    put_and_wait(keyed, "dog", make_embedding("dog"))
    (key,) = keys_of(server, "dog")
    put_and_wait(plain, "dog", make_embedding("cat"))
    (other_key,) = set(keys_of(server, "dog")) - {key}
    server.client.rename(other_key, key)
    assert keyed.get(CLIP_ID) is None
    wait_until(lambda: counted(keyed, "bad_values") == 1 and not keyed.contains(CLIP_ID))


def test_all_keys_of_a_clip_are_in_one_slot_of_a_cluster(cache: EmbeddingCache, server: RedisServer) -> None:
    put_and_wait(cache, "dog", make_embedding("dog", LONG_FRAMES))
    put_and_wait(cache, "rain", make_embedding("rain", LONG_FRAMES))
    slots = [{key_slot(key) for key in keys_of(server, name)} for name in ("dog", "rain")]
    assert [len(slot) for slot in slots] == [1, 1]
    assert slots[0] != slots[1]


def _kill(server: RedisServer) -> Callable[[], None]:
    server.stop()
    return server.start


def _pause(server: RedisServer) -> Callable[[], None]:
    server.pause()
    return server.resume


def _restart(server: RedisServer) -> Callable[[], None]:
    server.stop()
    server.start()
    return lambda: None


def _flush(server: RedisServer) -> Callable[[], None]:
    server.client.flushall()
    return lambda: None


def _fill(server: RedisServer) -> Callable[[], None]:
    server.fill()
    return server.allow_writes


def _harm_all(server: RedisServer) -> Callable[[], None]:
    for key in server.client.keys("earmark:*"):
        server.client.set(key, b"garbage")
    return lambda: None


def _disconnect_all(server: RedisServer) -> Callable[[], None]:
    server.client.client_kill_filter(_type="normal", skipme=True)
    return lambda: None


TROUBLE: dict[str, tuple[Callable[[RedisServer], Callable[[], None]], tuple[str, ...]]] = {
    "stopped": (_kill, ("lookups", "redis", "skipped")),
    "paused": (_pause, ("lookups", "redis", "skipped")),
    "restarted": (_restart, ("lookups", "redis", "hit")),
    "flushed": (_flush, ("lookups", "redis", "miss")),
    "full": (_fill, ("failures", "put")),
    "full of garbage": (_harm_all, ("bad_values",)),
    "closing connections": (_disconnect_all, ("lookups", "redis", "hit")),
}
"""For each trouble: a function that causes it and returns a function that ends it, and a counter that then rises.

A restarted server may hold every embedding again before the first lookup, because writes are retried: no miss is certain."""


@pytest.mark.parametrize("trouble", TROUBLE)
def test_while_redis_is_in_trouble_embeddings_are_right_and_in_time(
    server: RedisServer, cache_on: CacheOn, trouble: str
) -> None:
    cache = cache_on(server.url, limits=TimeLimits(reply_s=1.0))
    names = [str(number) for number in range(6)]
    start, (counter, *labels) = TROUBLE[trouble]
    wrong: list[str] = []
    late_s: list[float] = []

    def call() -> None:
        """Does the lookups and writes of one request, as the engine does."""
        for name in names:
            began = time.perf_counter()
            cached = cache.get(clip_id(name))
            if cached is None or name == "0":
                cache.put(clip_id(name), make_embedding(name))
            took_s = time.perf_counter() - began
            if cached is not None and not equal(cached, make_embedding(name)):
                wrong.append(name)
            if took_s >= LIMIT_S:
                late_s.append(took_s)

    with ExitStack() as callers:
        for _ in range(3):
            callers.enter_context(repeating(call, every_s=0.002))
        wait_until(lambda: counted(cache, "lookups", "redis", "hit") >= 10)
        before = counted(cache, counter, *labels)
        undo = start(server)
        wait_until(lambda: counted(cache, counter, *labels) > before)
        undo()
        hits = counted(cache, "lookups", "redis", "hit")
        wait_until(lambda: counted(cache, "lookups", "redis", "hit") >= hits + 10)
    assert (wrong, late_s) == ([], [])


def test_a_full_redis_is_still_read(cache: EmbeddingCache, server: RedisServer) -> None:
    put_and_wait(cache, "dog", make_embedding("dog"))
    server.fill()
    for number in range(5):
        cache.put(clip_id(str(number)), make_embedding(str(number)))
    wait_until(lambda: counted(cache, "failures", "put") == 5)
    assert equal(cache.get(CLIP_ID), make_embedding("dog"))
    assert cache.report().redis_in_use


@pytest.mark.parametrize("reason", ["full", "read_only"])
def test_a_redis_that_accepts_no_writes_is_degraded_counted_and_logged_once(
    cache: EmbeddingCache, server: RedisServer, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert cache.degraded() == []
    if reason == "full":
        server.fill()
    else:
        server.client.replicaof("127.0.0.1", "1")
    for number in range(5):
        cache.put(clip_id(str(number)), make_embedding(str(number)))
        assert cache.degraded() == ["redis"]
    wait_until(lambda: counted(cache, "refusals", reason) >= 10)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.__dict__["refusal"] == reason
    server.allow_writes()
    server.client.replicaof("NO", "ONE")
    wait_until(lambda: cache.degraded() == [])


def test_a_paused_redis_gets_only_a_few_requests(server: RedisServer, cache_on: CacheOn) -> None:
    cache = cache_on(server.url, pause_s=1000, limits=HASTY)
    server.pause()
    for _ in range(3):
        with in_time():
            assert cache.get(CLIP_ID) is None
    with in_time():
        for _ in range(1000):  # would take 200 s if all were sent
            assert cache.get(CLIP_ID) is None
            assert not cache.contains(CLIP_ID)
    assert counted(cache, "lookups", "redis", "failed") == 3
    assert counted(cache, "lookups", "redis", "skipped") == 1000
    cache.put(CLIP_ID, make_embedding("dog"))
    wait_until(lambda: counted(cache, "drops", "unavailable") == 1)
    server.resume()


def test_writing_takes_no_time_and_is_dropped_while_the_queue_is_full(server: RedisServer, cache_on: CacheOn) -> None:
    cache = cache_on(server.url)
    server.pause()
    embedding = make_embedding("dog", LONG_FRAMES)
    with in_time():
        for number in range(100):
            cache.put(clip_id(str(number)), embedding)
    assert counted(cache, "drops", "queue_full") > 90
    server.resume()


def test_closing_while_redis_is_paused_does_not_wait_for_it(server: RedisServer) -> None:
    cache = open_on(server.url, limits=TimeLimits(reply_s=PATIENCE_S, close_s=0.1))
    server.pause()
    for number in range(8):
        cache.put(clip_id(str(number)), make_embedding(str(number)))
    with in_time():
        cache.close()
    server.resume()


@contextmanager
def serving(reply: Callable[[socket.socket], object]) -> Iterator[str]:
    """Runs a server that is not Redis, and yields its URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    while connection.recv(65536):
                        reply(connection)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"$1000000\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.01)


REPLIES: dict[str, Callable[[socket.socket], object]] = {
    "HTTP": lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "noise": lambda connection: connection.sendall(b"\xff\xfe\x00\r\n" * 20),
    "a broken length": lambda connection: connection.sendall(b"$many\r\n" * 20),
    "an endless list": lambda connection: connection.sendall(b"*1000000000\r\n" * 20),
    "other types": lambda connection: connection.sendall(b":7\r\n" * 20),
    "goodbye": lambda connection: connection.close(),
    "nothing": lambda connection: None,
    "a byte now and then": _drip,
    "2 GB announced": lambda connection: connection.sendall(b"$2147483648\r\n" + b"x" * 100_000),
    "an endless line": lambda connection: connection.sendall(b"+" + b"x" * 10_000_000),
    "another node of a cluster": lambda connection: connection.sendall(b"-MOVED 7 127.0.0.1:7\r\n" * 20),
    "a malformed redirection": lambda connection: connection.sendall(b"-MOVED\r\n-ASK x\r\n" * 20),
}


@pytest.mark.parametrize("reply", REPLIES)
def test_a_server_that_is_not_redis_delays_calls_only_a_little_and_fails_none(cache_on: CacheOn, reply: str) -> None:
    with serving(REPLIES[reply]) as url:
        cache = cache_on(url, limits=HASTY)
        for _ in range(5):
            with in_time():
                assert cache.get(CLIP_ID) is None
                cache.put(CLIP_ID, make_embedding("dog"))
            with in_time():
                assert not cache.contains(CLIP_ID)


def test_a_refused_connection_delays_calls_only_a_little_and_fails_none(cache_on: CacheOn) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nothing listens
        cache = cache_on(f"redis://127.0.0.1:{closed.getsockname()[1]}", limits=HASTY)
        for _ in range(5):
            with in_time():
                assert cache.get(CLIP_ID) is None
                assert not cache.contains(CLIP_ID)
        assert cache.degraded() == ["redis"]
