"""What a cache counts of its work and tells whoever shows it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Counted = Literal["lookups", "failures", "drops", "bad_values", "evictions"]
Counts = dict[Counted, dict[tuple[str, ...], int]]

SERIES: Mapping[Counted, tuple[tuple[str, ...], ...]] = {
    "lookups": (
        ("memory", "hit"),
        ("memory", "miss"),
        ("redis", "hit"),
        ("redis", "miss"),
        ("redis", "failed"),
        ("redis", "skipped"),
    ),
    "failures": (("get",), ("contains",), ("put",), ("delete",), ("ping",)),
    "drops": (("too_large",), ("queue_full",), ("unavailable",)),
    "bad_values": ((),),
    "evictions": ((),),
}
"""All that is ever counted, and under which labels."""


class CacheCounts:
    """Counts from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counts = {counted: dict.fromkeys(labels, 0) for counted, labels in SERIES.items()}

    def add(self, counted: Counted, *labels: str) -> None:
        """Counts one more of SERIES."""
        with self._lock:
            self._counts[counted][labels] += 1

    def read(self) -> Counts:
        """All counts at this moment."""
        with self._lock:
            return {counted: dict(counts) for counted, counts in self._counts.items()}


@dataclass(frozen=True, slots=True)
class CacheReport:
    """What a cache has done, and how it is.

    Attributes:
        counts: For each of SERIES how often.
        memory_bytes: Size of the embeddings in memory.
        redis_in_use: Whether there is a Redis that did not just fail repeatedly.
    """

    counts: Counts
    memory_bytes: int
    redis_in_use: bool
