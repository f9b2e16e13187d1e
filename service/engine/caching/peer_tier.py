"""The shared tier of replicas that reach each other: each clip has one replica, its owner, that keeps its embedding.

The tier knows nothing about the way to the owner of a clip; it is given functions that call it.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.engine.caching.breaker import BreakerState, CircuitBreaker
from service.engine.clip_embedding import ClipEmbedding

log = logging.getLogger(__name__)

Take = Callable[[str], ClipEmbedding | None]
"""Asks the owner of a clip for its embedding; may raise any exception."""
Keep = Callable[[str, ClipEmbedding], object]
"""Gives the owner of a clip its embedding; may raise any exception."""
Result = TypeVar("Result")
FAILURES, PAUSE_S = 3, 5.0
_N_THREADS = 2
_MAX_WAITING = 64


class PeerTier:
    """Embeddings at the owners of clips. A failure looks like an empty store.

    Args:
        take: Asks the owner.
        keep: Gives to the owner; called in the background.
    """

    def __init__(self, take: Take, keep: Keep) -> None:
        self._take, self._keep = take, keep
        self._breaker = CircuitBreaker(FAILURES, PAUSE_S)
        self._threads = ThreadPoolExecutor(_N_THREADS, "peer-cache")
        self._n_waiting = 0

    @property
    def breaker_state(self) -> BreakerState:
        """State of the circuit breaker; owners are not asked for a while after repeated failures."""
        return self._breaker.state

    def get(self, clip_id: str) -> ClipEmbedding | None:
        """Returns a clip's embedding, or None if its owner does not have it or does not answer."""
        return self._attempt(lambda: self._take(clip_id))

    def put(self, clip_id: str, embedding: ClipEmbedding) -> None:
        """Gives an embedding to its owner in the background; drops it if many wait."""
        if self._n_waiting >= _MAX_WAITING:
            return
        self._n_waiting += 1
        self._threads.submit(self._put, clip_id, embedding)

    def contains(self, clip_id: str) -> bool:
        """Whether the owner of a clip has its embedding."""
        return self.get(clip_id) is not None

    def answers(self) -> bool:
        """Whether owners answered lately."""
        return self._breaker.state != "open"

    def close(self) -> None:
        """Gives what still waits, and ends the threads."""
        self._threads.shutdown()

    def _put(self, clip_id: str, embedding: ClipEmbedding) -> None:
        try:
            self._attempt(lambda: self._keep(clip_id, embedding))
        finally:
            self._n_waiting -= 1

    def _attempt(self, call: Callable[[], Result]) -> Result | None:
        if not self._breaker.allows():
            return None
        try:
            result = call()
        except Exception:
            self._breaker.failed()
            log.warning("another replica did not answer for a clip", exc_info=True)
            return None
        self._breaker.succeeded()
        return result
