"""What the cache has counted, read when Prometheus asks."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from service.engine.caching.reporting import Counted
from service.engine.caching.tiers import EmbeddingCache

_COUNTERS: tuple[tuple[Counted, str, str, tuple[str, ...]], ...] = (
    ("lookups", "earmark_cache_lookups", "Lookups of clips' embeddings, by how they went.", ("tier", "outcome")),
    ("evictions", "earmark_cache_evictions", "Embeddings that memory forgot to make room.", ()),
    ("failures", "earmark_redis_failures", "Operations on Redis that failed or took too long.", ("operation",)),
    ("drops", "earmark_redis_drops", "Embeddings that were not written to Redis, by the reason.", ("reason",)),
    ("bad_values", "earmark_redis_bad_values", "Values in Redis that were no embeddings, and were deleted.", ()),
)


class CacheMetrics(Collector):
    """A collector over the cache's report."""

    def __init__(self, cache: EmbeddingCache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        """The counts as they are now."""
        report = self._cache.report()
        for counted, name, meaning, labels in _COUNTERS:
            family = CounterMetricFamily(name, meaning, labels=labels)
            for values, count in report.counts[counted].items():
                family.add_metric(values, count)
            yield family
        yield GaugeMetricFamily("earmark_cache_bytes", "Size of the embeddings in memory.", report.memory_bytes)
        yield GaugeMetricFamily("earmark_redis_in_use", "0 if Redis is not set, or just failed.", report.redis_in_use)
