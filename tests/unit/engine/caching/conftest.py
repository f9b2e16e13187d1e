from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from service.engine.caching.breaker import CircuitBreaker
from service.engine.caching.redis_link import FAILURES, TIME_LIMITS, RedisLink, TimeLimits
from service.engine.caching.redis_tier import RedisOptions, RedisTier
from service.engine.caching.reporting import CacheCounts
from service.engine.caching.tiers import EmbeddingCache, clip_memory
from tests.redis_server import RedisServer
from tests.unit.engine.caching.embeddings import FORMAT, VALUE_BYTES
from tests.waiting import PATIENCE_S

CacheOn = Callable[..., EmbeddingCache]
PATIENT = TimeLimits(reply_s=PATIENCE_S, close_s=PATIENCE_S)
"""For tests in which Redis answers: on a busy machine its replies take longer than the service waits."""
HASTY = TIME_LIMITS
"""For tests in which Redis does not answer."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.stop()


def open_on(
    url: str,
    model_id: str = "model",
    memory_bytes: int = 0,
    pause_s: float = 0.1,
    key: str = "",
    limits: TimeLimits = PATIENT,
) -> EmbeddingCache:
    """A cache with a tier in Redis; by default it keeps nothing in memory and tries Redis again soon after failures."""
    counts = CacheCounts()
    link = RedisLink(url, counts, CircuitBreaker(FAILURES, pause_s), limits)
    value_format = replace(FORMAT, key=key.encode())
    tier = RedisTier(link, RedisOptions(url, 600, VALUE_BYTES, key), value_format, model_id, counts)
    return EmbeddingCache(clip_memory(memory_bytes), tier, counts)


@pytest.fixture
def cache_on() -> Iterator[CacheOn]:
    """Opens caches, and closes them after the test."""
    with ExitStack() as opened:
        yield lambda *args, **options: opened.enter_context(closing(open_on(*args, **options)))
