from hypothesis import given
from hypothesis import strategies as st

from service.engine.caching.lru import LruCache


def test_what_was_used_least_recently_is_forgotten_first() -> None:
    cache: LruCache[str] = LruCache(2, size=lambda _: 1)
    cache.put("a", "A")
    cache.put("b", "B")
    assert cache.get("a") == "A"
    cache.put("c", "C")
    assert [cache.contains(key) for key in "abc"] == [True, False, True]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12))), st.integers(0, 20))
def test_the_total_is_that_of_what_is_kept_and_within_the_limit(puts: list[tuple[str, int]], limit: int) -> None:
    cache: LruCache[int] = LruCache(limit, size=lambda value: value)
    latest: dict[str, int] = {}
    for key, value in puts:
        cache.put(key, value)
        latest[key] = value
    kept = {key: value for key in "abcdef" if (value := cache.get(key)) is not None}
    assert cache.total == sum(kept.values()) <= limit
    assert kept.items() <= latest.items()
