from service.engine.caching.tiers import memory_cache
from tests.redis_server import RedisServer
from tests.unit.engine.caching.conftest import CacheOn, open_on
from tests.unit.engine.caching.embeddings import clip_id, equal, make_embedding
from tests.waiting import wait_until

CLIP_ID, OTHER_ID = clip_id("dog"), clip_id("wind")


def test_memory_is_bounded_by_the_size_of_the_frames_and_a_clip_above_the_bound_is_not_kept() -> None:
    cache = memory_cache(limit_bytes=2 * make_embedding("dog").n_bytes)
    for name in ("dog", "rain", "siren"):
        cache.put(clip_id(name), make_embedding(name))
    cache.put(OTHER_ID, make_embedding("wind", 200))
    assert [cache.contains(clip_id(name)) for name in ("dog", "rain", "siren", "wind")] == [False, True, True, False]
    report = cache.report()
    assert (report.counts["evictions"][()], report.memory_bytes) == (1, 2 * make_embedding("dog").n_bytes)


def test_a_cache_in_memory_only_works_and_counts_its_lookups() -> None:
    cache = memory_cache(10**6)
    cache.put(CLIP_ID, make_embedding("dog"))
    assert equal(cache.get(CLIP_ID), make_embedding("dog"))
    assert cache.get(OTHER_ID) is None
    lookups = cache.report().counts["lookups"]
    assert (lookups["memory", "hit"], lookups["memory", "miss"], lookups["redis", "miss"]) == (1, 1, 0)
    assert cache.degraded() == []
    assert not cache.report().redis_in_use


def test_an_embedding_of_one_process_is_read_by_another_and_kept_in_its_memory(
    server: RedisServer, cache_on: CacheOn
) -> None:
    first, second = cache_on(server.url, memory_bytes=10**6), cache_on(server.url, memory_bytes=10**6)
    first.put(CLIP_ID, make_embedding("dog"))
    wait_until(lambda: second.contains(CLIP_ID))
    assert equal(second.get(CLIP_ID), make_embedding("dog"))
    server.stop()
    assert equal(second.get(CLIP_ID), make_embedding("dog"))
    lookups = second.report().counts["lookups"]
    assert (lookups["redis", "hit"], lookups["memory", "hit"]) == (1, 1)
    server.start()


def test_closing_writes_the_embeddings_that_were_put_last(server: RedisServer, cache_on: CacheOn) -> None:
    first, second = open_on(server.url), cache_on(server.url)
    for number in range(5):
        first.put(clip_id(str(number)), make_embedding(str(number), 2000))
    first.close()
    assert all(second.contains(clip_id(str(number))) for number in range(5))


def test_models_that_share_a_redis_do_not_share_embeddings(server: RedisServer, cache_on: CacheOn) -> None:
    first, second = cache_on(server.url, model_id="one model"), cache_on(server.url, model_id="other model")
    first.put(CLIP_ID, make_embedding("dog"))
    wait_until(lambda: first.contains(CLIP_ID))
    assert not second.contains(CLIP_ID)
    assert second.get(CLIP_ID) is None


def test_the_cache_is_degraded_only_while_redis_does_not_answer(server: RedisServer, cache_on: CacheOn) -> None:
    cache = cache_on(server.url)
    assert cache.degraded() == []
    server.stop()
    for _ in range(5):
        assert cache.degraded() == ["redis"]
    assert not cache.report().redis_in_use
    server.start()
    wait_until(lambda: cache.degraded() == [])
    assert cache.report().redis_in_use
