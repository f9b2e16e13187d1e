"""Metrics of the library of the service."""

from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.registry import Collector

_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class LibraryMetrics:
    """Counts of searches and changes; without a library, the counts stay 0.

    Args:
        register: Adds a metric to the exposition.
    """

    def __init__(self, register: Callable[[Collector], None]) -> None:
        self._searches = Histogram(
            "earmark_search_seconds",
            "Time that a search of the library takes, in seconds, by whether all frames are read.",
            ["exact"],
            buckets=_BUCKETS_S,
            registry=None,
        )
        self._recordings = Gauge(
            "earmark_searched_recordings", "Number of recordings that the last search covered.", registry=None
        )
        self._changes = Counter(
            "earmark_library_changes",
            "Recordings that clients added to the library or removed from it, by kind of change.",
            ["kind"],
            registry=None,
        )
        for metric in (self._searches, self._recordings, self._changes):
            register(metric)
        for exact in ("true", "false"):
            self._searches.labels(exact)
        for kind in ("added", "removed"):
            self._changes.labels(kind)

    def count_search(self, exact: bool, seconds: float, n_recordings: int) -> None:
        """Counts a search, with its duration and the number of recordings that it covered."""
        self._searches.labels(str(exact).lower()).observe(seconds)
        self._recordings.set(n_recordings)

    def count_change(self, kind: str) -> None:
        """Counts a recording that was "added" or "removed"."""
        self._changes.labels(kind).inc()
