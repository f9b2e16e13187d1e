"""What has been embedded before, in this process's memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class ClipEmbedding:
    """What is kept of a clip.

    Attributes:
        frames: Unit-norm frame embeddings, shape (T, D); not to be written to.
        duration_s: The clip's length; it ends in frame T - 1.
    """

    frames: NDArray[np.float32]
    duration_s: float


class EmbeddingCache(Protocol):
    """Keeps clip embeddings by clip id; may forget any of them at any time."""

    def get(self, clip_id: str, /) -> ClipEmbedding | None:
        """The clip's embedding, or None if it is not known (any longer)."""
        ...

    def put(self, clip_id: str, embedding: ClipEmbedding, /) -> None:
        """Keeps a clip's embedding, if there is room."""
        ...

    def contains(self, clip_id: str, /) -> bool:
        """Whether a clip is known."""
        ...


class LruCache(Generic[Value]):
    """Thread-safe mapping that forgets what was used least recently when the sizes sum up to more than its limit."""

    def __init__(self, limit: int, size: Callable[[Value], int]) -> None:
        self._limit, self._size = limit, size
        self._lock = threading.Lock()
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._total = 0

    @property
    def total(self) -> int:
        """Sum of the sizes of what is kept."""
        return self._total

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

    def contains(self, key: str) -> bool:
        """Whether a key is known; does not count as use."""
        with self._lock:
            return key in self._values

    def _drop(self, key: str) -> None:
        value = self._values.pop(key, None)
        if value is not None:
            self._total -= self._size(value)


def memory_cache(limit_bytes: int) -> LruCache[ClipEmbedding]:
    """An `EmbeddingCache` in this process's memory, bounded by the bytes of the frames."""
    return LruCache(limit_bytes, lambda embedding: embedding.frames.nbytes)
