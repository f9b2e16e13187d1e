"""Error replies of a Redis that works but refuses requests: their kinds, their counters and their log lines."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal

from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterCrossSlotError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from service.engine.caching.reporting import CacheCounts
from service.logs import Throttle

Refusal = Literal["full", "read_only", "disk", "cluster", "not_a_store", "permission", "other"]

MEANINGS: dict[Refusal, str] = {
    "full": "its memory is full (maxmemory), and its policy evicts nothing",
    "read_only": "it is a read-only replica",
    "disk": "it cannot save to its disk",
    "cluster": "it is a node of a Redis Cluster, which keeps only some of the keys",
    "not_a_store": "it stores no values; it may be a Redis Sentinel",
    "permission": "its password or its access rules (ACL) forbid a request",
    "other": "it gave an error reply",
}
"""Explanation of each kind of refusal, as the end of a sentence about Redis."""
UNUSABLE: frozenset[Refusal] = frozenset({"cluster", "not_a_store"})
"""Refusals of a server that can never serve as the shared cache."""

ERROR_REPLIES = (ResponseError, AuthenticationError)
"""Classes of the errors that Redis replies with; redis-py counts a wrong password to the failed connections."""

_CLASSES: tuple[tuple[Refusal, tuple[type[RedisError], ...]], ...] = (
    ("full", (OutOfMemoryError,)),
    ("read_only", (ReadOnlyError,)),
    ("cluster", (AskError, ClusterDownError, ClusterCrossSlotError, TryAgainError)),  # MovedError is an AskError
    ("permission", (NoPermissionError, AuthenticationError)),
)
_TEXTS: tuple[tuple[Refusal, str], ...] = (("disk", "MISCONF"), ("not_a_store", "unknown command"))

log = logging.getLogger(__name__)


def refusal_of(error: RedisError) -> Refusal:
    """The kind of an error reply."""
    for refusal, classes in _CLASSES:
        if isinstance(error, classes):
            return refusal
    for refusal, text in _TEXTS:
        if text in str(error):
            return refusal
    return "other"


class Refusals:
    """Counts the refusals of one Redis and logs at most one line a minute for each kind; safe to use from any thread.

    Args:
        counts: Counters of the cache.
        clock: Returns a monotonic time in seconds.
    """

    def __init__(self, counts: CacheCounts, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts = counts
        self._lock = threading.Lock()
        self._throttles = {refusal: Throttle(clock) for refusal in MEANINGS}

    def add(self, error: RedisError, operation: str) -> Refusal:
        """Counts an error reply to an operation, logs the reply if a line is due, and returns its kind."""
        refusal = refusal_of(error)
        self._counts.add("refusals", refusal)
        with self._lock:
            is_due = self._throttles[refusal].is_due()
        if is_due:
            log.warning(
                "redis refuses requests: %s", MEANINGS[refusal], extra={"refusal": refusal, "operation": operation}
            )
        return refusal
