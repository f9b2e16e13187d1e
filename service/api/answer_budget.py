"""Memory of the answers that clients have not read yet."""

import threading
import weakref
from collections import Counter
from collections.abc import Callable

from service.core.errors import TooManyAnswerBytes


class HeldBytes:
    """Bytes that an answer holds; released by `release`, or when this object is deleted."""

    def __init__(self, release: Callable[[], object]) -> None:
        self._finalizer = weakref.finalize(self, release)

    def release(self) -> None:
        """Releases the bytes; does nothing the second time."""
        self._finalizer()


class AnswerBudget:
    """Limit on the bytes that all answers together hold until they are read; safe to use from several threads.

    Args:
        max_bytes: Maximum total size, in bytes. A single answer may be larger if it is the only one.
        retry_after_s: Returns the time after which a refused client should try again, in seconds.
    """

    def __init__(self, max_bytes: int, retry_after_s: Callable[[], int]) -> None:
        self._max_bytes, self._retry_after_s = max_bytes, retry_after_s
        self._lock = threading.RLock()  # a finalizer may run while the lock is held
        self._bytes = 0
        self._users: Counter[str] = Counter()

    @property
    def n_bytes(self) -> int:
        """Bytes that answers hold now."""
        return self._bytes

    def hold(self, n_bytes: int, clip_id: str = "", clip_bytes: int = 0) -> HeldBytes:
        """Counts the bytes of an answer.

        Args:
            n_bytes: Size of the memory that only this answer holds, in bytes.
            clip_id: Id of the clip whose embedding the answer holds; empty if it holds none.
            clip_bytes: Size of the embedding in bytes, which is counted once for all answers about the clip.

        Raises:
            TooManyAnswerBytes: If all answers together would exceed the maximum.
        """
        with self._lock:
            more = n_bytes + (0 if self._users[clip_id] else clip_bytes)
            if self._bytes and self._bytes + more > self._max_bytes:
                raise TooManyAnswerBytes(self._max_bytes, self._retry_after_s())
            self._bytes += more
            self._users[clip_id] += 1
        return HeldBytes(lambda: self._release(n_bytes, clip_id, clip_bytes))

    def _release(self, n_bytes: int, clip_id: str, clip_bytes: int) -> None:
        with self._lock:
            self._users[clip_id] -= 1
            self._bytes -= n_bytes
            if not self._users[clip_id]:
                del self._users[clip_id]
                self._bytes -= clip_bytes
