"""The cache as a whole: this process's memory before a tier that processes share, if there is one."""

from typing import Protocol

from service.engine.caching.lru import LruCache
from service.engine.caching.reporting import CacheCounts, CacheReport
from service.engine.clip_embedding import ClipEmbedding


class SharedTier(Protocol):
    """Keeps clip embeddings outside this process; what goes wrong there looks as if nothing were kept."""

    @property
    def in_use(self) -> bool:
        """Whether it did not just fail repeatedly."""
        ...

    def get(self, clip_id: str) -> ClipEmbedding | None:
        """The clip's embedding, or None if it is not there or cannot be had in time."""
        ...

    def put(self, clip_id: str, embedding: ClipEmbedding) -> None:
        """Keeps a clip's embedding some time, if all goes well; takes no time now."""
        ...

    def contains(self, clip_id: str) -> bool:
        """Whether a clip is known."""
        ...

    def answers(self) -> bool:
        """Whether it works, told by asking it."""
        ...

    def close(self) -> None:
        """Finishes what was put; no call may follow."""
        ...


class EmbeddingCache:
    """Keeps clip embeddings by clip id; may forget any of them at any time. Safe to call from several threads.

    Args:
        memory: The first tier.
        shared: The second, closed with this; None if there is none.
        counts: Where lookups are counted.
    """

    def __init__(self, memory: LruCache[ClipEmbedding], shared: SharedTier | None, counts: CacheCounts) -> None:
        self._memory, self._shared, self._counts = memory, shared, counts

    def get(self, clip_id: str) -> ClipEmbedding | None:
        """The clip's embedding, or None if it is not known (any longer); memory remembers what was found elsewhere."""
        kept = self._memory.get(clip_id)
        self._counts.add("lookups", "memory", "miss" if kept is None else "hit")
        if kept is not None or self._shared is None:
            return kept
        found = self._shared.get(clip_id)
        if found is not None:
            self._memory.put(clip_id, found)
        return found

    def put(self, clip_id: str, embedding: ClipEmbedding) -> None:
        """Keeps a clip's embedding in each tier, if there is room."""
        self._memory.put(clip_id, embedding)
        if self._shared is not None:
            self._shared.put(clip_id, embedding)

    def contains(self, clip_id: str) -> bool:
        """Whether a clip is known to a tier."""
        return self._memory.contains(clip_id) or (self._shared is not None and self._shared.contains(clip_id))

    def degraded(self) -> list[str]:
        """What does not work though the cache does: "redis" or nothing, told by asking."""
        return ["redis"] if self._shared is not None and not self._shared.answers() else []

    def report(self) -> CacheReport:
        """What it has done, and how it is."""
        counts = self._counts.read()
        counts["evictions"][()] = self._memory.n_evicted
        return CacheReport(counts, self._memory.total, self._shared is not None and self._shared.in_use)

    def close(self) -> None:
        """Finishes what was put into the shared tier; no call may follow."""
        if self._shared is not None:
            self._shared.close()


def clip_memory(limit_bytes: int) -> LruCache[ClipEmbedding]:
    """The first tier, bounded by the bytes of the frames."""
    return LruCache(limit_bytes, lambda embedding: embedding.n_bytes)


def memory_cache(limit_bytes: int) -> EmbeddingCache:
    """A cache in this process's memory only."""
    return EmbeddingCache(clip_memory(limit_bytes), None, CacheCounts())
