"""Locks by key, so that work that several threads need at once is done once."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

_CHECK_EVERY_S = 0.2


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class KeyedLocks:
    """A lock for each key; a key that no thread holds or waits for takes no memory."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    @contextmanager
    def hold(self, key: str, check: Callable[[], object]) -> Generator[None]:
        """Acquires the lock of a key for the `with` block, after waiting until no other thread holds it.

        Args:
            key: The key to lock.
            check: Called every 0.2 s while waiting; an exception that it raises ends the wait and is passed on.
        """
        with self._guard:
            entry = self._entries.setdefault(key, _Entry())
            entry.users += 1
        try:
            while not entry.lock.acquire(timeout=_CHECK_EVERY_S):
                check()
            try:
                yield
            finally:
                entry.lock.release()
        finally:
            with self._guard:
                entry.users -= 1
                if entry.users == 0:
                    del self._entries[key]
