"""Metrics of the embedding cache, read from its counters at each scrape."""

from collections.abc import Iterator
from typing import get_args

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from service.engine.caching.breaker import BreakerState
from service.engine.caching.reporting import CounterName
from service.engine.caching.tiers import EmbeddingCache

_COUNTERS: tuple[tuple[CounterName, str, str, tuple[str, ...]], ...] = (
    ("lookups", "earmark_cache_lookups", "Lookups of clip embeddings, by cache tier and outcome.", ("tier", "outcome")),
    ("evictions", "earmark_cache_evictions", "Embeddings that were evicted from memory to make room.", ()),
    ("failures", "earmark_redis_failures", "Redis operations that failed or timed out.", ("operation",)),
    ("refusals", "earmark_redis_refusals", "Error replies of Redis, such as to a write while it is full.", ("reason",)),
    ("drops", "earmark_redis_drops", "Embeddings that were not written to Redis, by reason.", ("reason",)),
    ("openings", "earmark_redis_breaker_openings", "Times that the circuit breaker of Redis opened.", ()),
    ("bad_values", "earmark_redis_bad_values", "Values in Redis that were not valid embeddings and were deleted.", ()),
)


class CacheMetrics(Collector):
    """Prometheus collector that reads the report of a cache."""

    def __init__(self, cache: EmbeddingCache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        """Yields the current values."""
        report = self._cache.report()
        for counted, name, meaning, labels in _COUNTERS:
            family = CounterMetricFamily(name, meaning, labels=labels)
            for values, count in report.counts[counted].items():
                family.add_metric(values, count)
            yield family
        yield GaugeMetricFamily(
            "earmark_cache_bytes", "Size of the embeddings in memory, in bytes.", report.memory_bytes
        )
        yield GaugeMetricFamily(
            "earmark_cache_limit_bytes",
            "Limit of that size, in bytes (EARMARK_CACHE_BYTES).",
            report.memory_limit_bytes,
        )
        breaker = GaugeMetricFamily(
            "earmark_redis_breaker_state",
            "1 for the state of the circuit breaker of Redis, otherwise 0; all 0 if Redis is not set.",
            labels=["state"],
        )
        for state in get_args(BreakerState):
            breaker.add_metric([state], state == report.breaker)
        yield breaker
        yield GaugeMetricFamily(
            "earmark_redis_in_use",
            "1 if Redis is in use; 0 if Redis is not set or has just failed.",
            report.redis_in_use,
        )
