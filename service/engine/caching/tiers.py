"""The cache of clip embeddings: a tier in this process's memory, and optionally a tier that processes share."""

from typing import Protocol

from service.engine.caching.breaker import BreakerState
from service.engine.caching.lru import LruCache
from service.engine.caching.reporting import CacheCounts, CacheReport
from service.engine.clip_embedding import ClipEmbedding


class SharedTier(Protocol):
    """A store of clip embeddings outside this process. A failure of the store looks like an empty store."""

    @property
    def breaker_state(self) -> BreakerState:
        """State of the circuit breaker; the store is not used for a while after repeated failures."""
        ...

    def get(self, clip_id: str) -> ClipEmbedding | None:
        """Returns a clip's embedding, or None if the store does not have it or does not answer in time."""
        ...

    def put(self, clip_id: str, embedding: ClipEmbedding) -> None:
        """Stores a clip's embedding in the background; the caller does not wait, and a failure is only counted."""
        ...

    def contains(self, clip_id: str) -> bool:
        """Whether the store has a clip's embedding."""
        ...

    def answers(self) -> bool:
        """Sends requests to the store, and returns whether it answers them and accepts writes."""
        ...

    def close(self) -> None:
        """Stores the embeddings that still wait, and disconnects; no call may follow."""
        ...


class EmbeddingCache:
    """Clip embeddings by clip id. Any embedding may disappear at any time. Safe to call from several threads.

    Args:
        memory: The tier in memory, which is looked up first.
        shared: The shared tier, which is closed together with the cache; None for a cache without a shared tier.
        counts: Counters of the cache.
    """

    def __init__(self, memory: LruCache[ClipEmbedding], shared: SharedTier | None, counts: CacheCounts) -> None:
        self._memory, self._shared, self._counts = memory, shared, counts

    def get(self, clip_id: str) -> ClipEmbedding | None:
        """Returns a clip's embedding, or None if no tier has it; copies an embedding from the shared tier to memory."""
        embedding = self._memory.get(clip_id)
        self._counts.add("lookups", "memory", "miss" if embedding is None else "hit")
        if embedding is not None or self._shared is None:
            return embedding
        embedding = self._shared.get(clip_id)
        if embedding is not None:
            self._memory.put(clip_id, embedding)
        return embedding

    def put(self, clip_id: str, embedding: ClipEmbedding) -> None:
        """Stores a clip's embedding, which must be sound, in each tier that has room for it."""
        self._memory.put(clip_id, embedding)
        if self._shared is not None:
            self._shared.put(clip_id, embedding)

    def contains(self, clip_id: str) -> bool:
        """Whether a tier has a clip's embedding."""
        return self._memory.contains(clip_id) or (self._shared is not None and self._shared.contains(clip_id))

    def degraded(self) -> list[str]:
        """Returns ["redis"] if the shared tier does not answer now or accepts no writes, otherwise []."""
        return ["redis"] if self._shared is not None and not self._shared.answers() else []

    def report(self) -> CacheReport:
        """Returns the counters and the state of the cache."""
        counts = self._counts.read()
        counts["evictions"][()] = self._memory.n_evicted
        breaker = None if self._shared is None else self._shared.breaker_state
        return CacheReport(counts, self._memory.total, self._memory.limit, breaker)

    def close(self) -> None:
        """Closes the shared tier, which first stores the embeddings that still wait; no call may follow."""
        if self._shared is not None:
            self._shared.close()


def clip_memory(limit_bytes: int) -> LruCache[ClipEmbedding]:
    """Makes the tier in memory, bounded by the total size of the frames in bytes."""
    return LruCache(limit_bytes, lambda embedding: embedding.n_bytes)


def memory_cache(limit_bytes: int) -> EmbeddingCache:
    """Makes a cache in this process's memory only."""
    return EmbeddingCache(clip_memory(limit_bytes), None, CacheCounts())
