"""One lock for each key in use, so that what two threads want at once is made once."""

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
    """Locks by key; a key that nobody holds or waits for takes no memory."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    @contextmanager
    def hold(self, key: str, check: Callable[[], object]) -> Generator[None]:
        """Waits until no other thread holds the key, and holds it in the block.

        Args:
            key: What only one thread may hold.
            check: Called now and then while waiting; what it raises ends the waiting.
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
