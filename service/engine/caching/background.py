"""Work that nobody waits for, done in order by one thread; what does not fit into its queue is dropped."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait


class Background:
    """One thread and a bounded queue before it.

    Args:
        name: Of the thread.
        limit: Pieces of work that wait or are being done.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._room = threading.BoundedSemaphore(limit)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    def offer(self, work: Callable[[], object]) -> bool:
        """Has it done some time, unless the queue is full; tells which. The work must handle its own failures."""
        if not self._room.acquire(blocking=False):
            return False
        self._thread.submit(self._do, work)
        return True

    def close(self, within_s: float) -> None:
        """Does what waits, as far as there is time for it, and no more; nothing may be offered any longer."""
        wait([self._thread.submit(lambda: None)], within_s)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            self._room.release()
