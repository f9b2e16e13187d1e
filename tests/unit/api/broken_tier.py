"""A shared tier of the cache that never works."""

from service.engine.caching.breaker import BreakerState
from service.engine.clip_embedding import ClipEmbedding


class BrokenTier:
    """A shared tier of the cache whose circuit breaker is open."""

    breaker_state: BreakerState = "open"

    def get(self, clip_id: str) -> None: ...

    def put(self, clip_id: str, embedding: ClipEmbedding) -> None: ...

    def contains(self, clip_id: str) -> bool:
        return False

    def answers(self) -> bool:
        return False

    def close(self) -> None: ...
