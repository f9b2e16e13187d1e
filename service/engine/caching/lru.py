"""A least-recently-used (LRU) cache in this process's memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """Thread-safe mapping that evicts the least recently used values once the total size exceeds the limit.

    Args:
        limit: Largest total size, in the unit of `size`.
        size: Returns the size of a value.
    """

    def __init__(self, limit: int, size: Callable[[Value], int]) -> None:
        self._limit, self._size = limit, size
        self._lock = threading.Lock()
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._total = self._n_evicted = 0

    @property
    def limit(self) -> int:
        """Largest total size of the values in the cache."""
        return self._limit

    @property
    def total(self) -> int:
        """Total size of the values in the cache."""
        return self._total

    @property
    def n_evicted(self) -> int:
        """Number of values that were evicted to make room for others."""
        return self._n_evicted

    def get(self, key: str) -> Value | None:
        """Returns the value of a key, or None; counts as a use of the value."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: str, value: Value) -> None:
        """Stores a value, unless that value alone is larger than the limit."""
        with self._lock:
            self._drop(key)
            if self._size(value) > self._limit:
                return
            self._values[key] = value
            self._total += self._size(value)
            while self._total > self._limit:
                self._drop(next(iter(self._values)))
                self._n_evicted += 1

    def contains(self, key: str) -> bool:
        """Whether a key is in the cache; does not count as a use of the value."""
        with self._lock:
            return key in self._values

    def _drop(self, key: str) -> None:
        value = self._values.pop(key, None)
        if value is not None:
            self._total -= self._size(value)
