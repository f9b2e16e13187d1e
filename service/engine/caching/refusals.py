"""Error replies of a Redis that works, but refuses what this service needs: which kind, how many, and one log line."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal, get_args

from redis.exceptions import (
    AskError,
    ClusterCrossSlotError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from service.engine.caching.reporting import CacheCounts

Refusal = Literal["full", "read_only", "disk", "cluster", "not_a_store", "permission", "other"]

MEANINGS: dict[Refusal, str] = {
    "full": "its memory is full (maxmemory), and its policy evicts nothing",
    "read_only": "it is a read-only replica",
    "disk": "it cannot save to its disk",
    "cluster": "it is a node of a Redis Cluster, which keeps only some of the keys",
    "not_a_store": "it stores no values; it may be a Redis Sentinel",
    "permission": "its access rules (ACL) forbid a command or a key",
    "other": "it gave an error reply",
}
"""Explanation of each kind of refusal, as the end of a sentence about Redis."""
UNUSABLE: frozenset[Refusal] = frozenset({"cluster", "not_a_store"})
"""Refusals of a server that can never serve as the shared cache."""

_CLASSES: tuple[tuple[Refusal, tuple[type[ResponseError], ...]], ...] = (
    ("full", (OutOfMemoryError,)),
    ("read_only", (ReadOnlyError,)),
    ("cluster", (AskError, ClusterDownError, ClusterCrossSlotError, TryAgainError)),  # MovedError is an AskError
    ("permission", (NoPermissionError,)),
)
_TEXTS: tuple[tuple[Refusal, str], ...] = (("disk", "MISCONF"), ("not_a_store", "unknown command"))
_LOG_PAUSE_S = 60.0

log = logging.getLogger(__name__)


def refusal_of(error: ResponseError) -> Refusal:
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
        self._counts, self._clock = counts, clock
        self._lock = threading.Lock()
        self._next_line_s = dict.fromkeys(get_args(Refusal), -float("inf"))

    def add(self, error: ResponseError, operation: str) -> Refusal:
        """Counts an error reply to an operation, logs the reply if a line is due, and returns its kind."""
        refusal = refusal_of(error)
        self._counts.add("refusals", refusal)
        with self._lock:
            due = self._clock() >= self._next_line_s[refusal]
            if due:
                self._next_line_s[refusal] = self._clock() + _LOG_PAUSE_S
        if due:
            log.warning(
                "redis refuses requests: %s", MEANINGS[refusal], extra={"refusal": refusal, "operation": operation}
            )
        return refusal
