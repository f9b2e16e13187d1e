"""Builds the cache of the service from its settings."""

import logging

from service.core.manifest import Manifest
from service.core.start_errors import RedisUnusable
from service.engine.caching.breaker import CircuitBreaker
from service.engine.caching.redis_link import (
    FAILURES,
    PAUSE_S,
    TIME_LIMITS,
    RedisLink,
    RedisUnavailable,
    TimeLimits,
    without_secrets,
)
from service.engine.caching.redis_tier import RedisOptions, RedisTier
from service.engine.caching.refusals import MEANINGS, UNUSABLE
from service.engine.caching.reporting import CacheCounts
from service.engine.caching.tiers import EmbeddingCache, clip_memory, memory_cache
from service.engine.caching.value import ValueFormat
from service.engine.clip_id import model_id_of

log = logging.getLogger(__name__)


def open_cache(
    manifest: Manifest, memory_bytes: int, redis: RedisOptions | None, limits: TimeLimits = TIME_LIMITS
) -> EmbeddingCache:
    """Opens a cache of clip embeddings. A Redis that does not answer or is full causes a warning, not an error.

    Args:
        manifest: Manifest of the model.
        memory_bytes: Size limit of the tier in memory, in bytes.
        redis: Options of the shared tier; None for a cache without a shared tier.
        limits: Longest waits for Redis.

    Raises:
        RedisUnusable: If the server is a node of a Redis Cluster, or does not store values.
    """
    if redis is None:
        return memory_cache(memory_bytes)
    counts = CacheCounts()
    link = RedisLink(redis.url, counts, CircuitBreaker(FAILURES, PAUSE_S), limits)
    value_format = ValueFormat(manifest.dimension, manifest.grid.hop_s, redis.key.encode())
    shared = RedisTier(link, redis, value_format, model_id_of(manifest), counts)
    try:
        shared.check()
    except RedisUnavailable as error:
        if error.refusal in UNUSABLE:
            shared.close()
            raise RedisUnusable(without_secrets(redis.url), MEANINGS[error.refusal]) from error
        if error.refusal is None:
            log.warning("redis does not answer; clips are kept in memory", extra={"url": without_secrets(redis.url)})
    return EmbeddingCache(clip_memory(memory_bytes), shared, counts)
