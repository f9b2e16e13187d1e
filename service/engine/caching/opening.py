"""Puts the cache of a service together."""

import logging

from service.core.manifest import Manifest
from service.engine.caching.breaker import CircuitBreaker
from service.engine.caching.redis_link import FAILURES, PAUSE_S, RedisLink, without_secrets
from service.engine.caching.redis_tier import RedisOptions, RedisTier
from service.engine.caching.reporting import CacheCounts
from service.engine.caching.tiers import EmbeddingCache, clip_memory, memory_cache
from service.engine.caching.value import ValueFormat
from service.engine.clip_id import model_id_of

log = logging.getLogger(__name__)


def open_cache(manifest: Manifest, memory_bytes: int, redis: RedisOptions | None) -> EmbeddingCache:
    """Makes the cache of a model's embeddings; of a Redis that does not answer it only warns.

    Args:
        manifest: Of the model.
        memory_bytes: Limit of the tier in memory.
        redis: The shared tier; None for none.
    """
    if redis is None:
        return memory_cache(memory_bytes)
    counts = CacheCounts()
    link = RedisLink(redis.url, counts, CircuitBreaker(FAILURES, PAUSE_S))
    value_format = ValueFormat(manifest.dimension, manifest.grid.hop_s)
    shared = RedisTier(link, redis, value_format, model_id_of(manifest), counts)
    if not shared.answers():
        log.warning("redis does not answer; clips are kept in memory", extra={"url": without_secrets(redis.url)})
    return EmbeddingCache(clip_memory(memory_bytes), shared, counts)
