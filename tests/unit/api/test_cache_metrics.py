import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.api.cache_metrics import CacheMetrics
from service.engine.caching.reporting import SERIES, CacheCounts
from service.engine.caching.tiers import EmbeddingCache, clip_memory, memory_cache
from tests.unit.api.broken_tier import BrokenTier
from tests.unit.api.expositions import parse_series
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio


async def test_lookups_and_the_state_of_the_cache_are_exposed(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.cache.get("a")
    series = parse_series((await client.get("/metrics")).text)
    assert series['earmark_cache_lookups_total{outcome="miss",tier="memory"}'] == 1
    assert series['earmark_cache_lookups_total{outcome="hit",tier="redis"}'] == 0
    assert series['earmark_redis_failures_total{operation="get"}'] == 0
    assert series['earmark_redis_drops_total{reason="queue_full"}'] == 0
    assert series["earmark_cache_evictions_total"] == series["earmark_redis_bad_values_total"] == 0
    assert series["earmark_cache_bytes"] == series["earmark_cache_limit_bytes"] == series["earmark_redis_in_use"] == 0
    states = ("closed", "open", "half_open")
    assert [series[f'earmark_redis_breaker_state{{state="{state}"}}'] for state in states] == [0, 0, 0]


def test_the_state_of_the_breaker_is_exposed() -> None:
    counts = CacheCounts()
    counts.add("openings")
    registry = CollectorRegistry()
    registry.register(CacheMetrics(EmbeddingCache(clip_memory(10**6), BrokenTier(), counts)))
    series = parse_series(generate_latest(registry).decode())
    states = ("closed", "open", "half_open")
    assert [series[f'earmark_redis_breaker_state{{state="{state}"}}'] for state in states] == [0, 1, 0]
    assert (series["earmark_redis_in_use"], series["earmark_redis_breaker_openings_total"]) == (0, 1)
    assert series["earmark_cache_limit_bytes"] == 10**6


def test_every_count_of_the_cache_has_a_metric() -> None:
    families = list(CacheMetrics(memory_cache(0)).collect())
    n_series = sum(len(family.samples) for family in families if family.type == "counter")
    assert n_series == sum(len(labels) for labels in SERIES.values())
