from service.engine.caching.tiers import memory_cache
from tests.redis_server import RedisServer, wait_until
from tests.unit.engine.caching.clips import clip, clip_id, same
from tests.unit.engine.caching.conftest import CacheOn, open_on

ONE, OTHER = clip_id("one"), clip_id("other")


def test_memory_is_bounded_by_the_bytes_of_the_frames_and_too_large_a_clip_is_not_kept() -> None:
    cache = memory_cache(limit_bytes=2 * clip("one").n_bytes)
    for name in ("one", "two", "three"):
        cache.put(clip_id(name), clip(name))
    cache.put(OTHER, clip("other", 200))
    assert [cache.contains(clip_id(name)) for name in ("one", "two", "three", "other")] == [False, True, True, False]
    report = cache.report()
    assert (report.counts["evictions"][()], report.memory_bytes) == (1, 2 * clip("one").n_bytes)


def test_memory_alone_is_whole_and_counts_its_lookups() -> None:
    cache = memory_cache(10**6)
    cache.put(ONE, clip("one"))
    assert same(cache.get(ONE), clip("one"))
    assert cache.get(OTHER) is None
    lookups = cache.report().counts["lookups"]
    assert (lookups["memory", "hit"], lookups["memory", "miss"], lookups["redis", "miss"]) == (1, 1, 0)
    assert cache.degraded() == []
    assert not cache.report().redis_in_use


def test_what_one_process_put_another_finds_and_keeps_in_memory(server: RedisServer, cache_on: CacheOn) -> None:
    here, there = cache_on(server.url, memory_bytes=10**6), cache_on(server.url, memory_bytes=10**6)
    here.put(ONE, clip("one"))
    wait_until(lambda: there.contains(ONE))
    assert same(there.get(ONE), clip("one"))
    server.stop()
    assert same(there.get(ONE), clip("one"))
    lookups = there.report().counts["lookups"]
    assert (lookups["redis", "hit"], lookups["memory", "hit"]) == (1, 1)
    server.start()


def test_what_was_put_last_is_written_before_the_end(server: RedisServer, cache_on: CacheOn) -> None:
    here, there = open_on(server.url), cache_on(server.url)
    for number in range(5):
        here.put(clip_id(str(number)), clip(str(number), 2000))
    here.close()
    assert all(there.contains(clip_id(str(number))) for number in range(5))


def test_models_that_share_a_redis_share_nothing_in_it(server: RedisServer, cache_on: CacheOn) -> None:
    here, there = cache_on(server.url, space="one model"), cache_on(server.url, space="other model")
    here.put(ONE, clip("one"))
    wait_until(lambda: here.contains(ONE))
    assert not there.contains(ONE)
    assert there.get(ONE) is None


def test_it_is_degraded_only_while_redis_does_not_answer(server: RedisServer, cache_on: CacheOn) -> None:
    cache = cache_on(server.url)
    assert cache.degraded() == []
    server.stop()
    for _ in range(5):
        assert cache.degraded() == ["redis"]
    assert not cache.report().redis_in_use
    server.start()
    wait_until(lambda: cache.degraded() == [])
    assert cache.report().redis_in_use
