"""Counters of the cache, and the report that the metrics are made from."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.engine.caching.breaker import BreakerState

CounterName = Literal["lookups", "failures", "refusals", "drops", "bad_values", "evictions", "openings"]
Counts = dict[CounterName, dict[tuple[str, ...], int]]

SERIES: Mapping[CounterName, tuple[tuple[str, ...], ...]] = {
    "lookups": (
        ("memory", "hit"),
        ("memory", "miss"),
        ("redis", "hit"),
        ("redis", "miss"),
        ("redis", "failed"),
        ("redis", "skipped"),
    ),
    "failures": (("get",), ("contains",), ("put",), ("delete",), ("ping",)),
    "refusals": (
        ("full",),
        ("read_only",),
        ("disk",),
        ("cluster",),
        ("not_a_store",),
        ("permission",),
        ("other",),
    ),
    "drops": (("too_large",), ("queue_full",), ("unavailable",)),
    "bad_values": ((),),
    "evictions": ((),),
    "openings": ((),),
}
"""Every counter, with every combination of label values that it can have."""


class CacheCounts:
    """The counters of one cache; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counts = {counter: dict.fromkeys(labels, 0) for counter, labels in SERIES.items()}

    def add(self, counter: CounterName, *labels: str) -> None:
        """Increments the counter with these label values, which must be in `SERIES`."""
        with self._lock:
            self._counts[counter][labels] += 1

    def read(self) -> Counts:
        """Returns a copy of all counts."""
        with self._lock:
            return {counter: dict(counts) for counter, counts in self._counts.items()}


@dataclass(frozen=True, slots=True)
class CacheReport:
    """Counters and state of a cache.

    Attributes:
        counts: The count of each counter and combination of label values in `SERIES`.
        memory_bytes: Total size of the embeddings in memory, in bytes.
        memory_limit_bytes: Limit of that size, in bytes.
        breaker: State of the circuit breaker of Redis; None if Redis is not configured.
    """

    counts: Counts
    memory_bytes: int
    memory_limit_bytes: int
    breaker: BreakerState | None

    @property
    def redis_in_use(self) -> bool:
        """Whether Redis is configured, and its circuit breaker is closed."""
        return self.breaker == "closed"
