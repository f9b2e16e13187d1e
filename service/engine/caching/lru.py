"""A mapping that forgets, in this process's memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """Thread-safe mapping that forgets what was used least recently when the sizes sum up to more than its limit."""

    def __init__(self, limit: int, size: Callable[[Value], int]) -> None:
        self._limit, self._size = limit, size
        self._lock = threading.Lock()
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._total = self._n_evicted = 0

    @property
    def total(self) -> int:
        """Sum of the sizes of what is kept."""
        return self._total

    @property
    def n_evicted(self) -> int:
        """How many values were forgotten to make room."""
        return self._n_evicted

    def get(self, key: str) -> Value | None:
        """The value of a key, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: str, value: Value) -> None:
        """Keeps a value, unless it alone is larger than the limit."""
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
        """Whether a key is known; does not count as use."""
        with self._lock:
            return key in self._values

    def _drop(self, key: str) -> None:
        value = self._values.pop(key, None)
        if value is not None:
            self._total -= self._size(value)
