from hypothesis import given
from hypothesis import strategies as st

from service.engine.caching.lru import LruCache


def test_the_least_recently_used_value_is_evicted_first() -> None:
    cache: LruCache[str] = LruCache(2, size=lambda _: 1)
    cache.put("a", "A")
    cache.put("b", "B")
    assert cache.get("a") == "A"
    cache.put("c", "C")
    assert [cache.contains(key) for key in "abc"] == [True, False, True]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12))), st.integers(0, 20))
def test_the_total_is_the_size_of_the_cached_values_and_within_the_limit(
    puts: list[tuple[str, int]], limit: int
) -> None:
    cache: LruCache[int] = LruCache(limit, size=lambda value: value)
    latest: dict[str, int] = {}
    for key, value in puts:
        cache.put(key, value)
        latest[key] = value
    cached = {key: value for key in "abcdef" if (value := cache.get(key)) is not None}
    assert cache.total == sum(cached.values()) <= limit
    assert cached.items() <= latest.items()
