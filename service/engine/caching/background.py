"""Background work whose result no caller waits for: done in order by one thread, and dropped if the queue is full."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait


class Background:
    """One thread with a bounded queue of tasks.

    Args:
        name: Name of the thread.
        limit: Largest number of tasks that wait or run.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._free_places = threading.BoundedSemaphore(limit)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    def offer(self, task: Callable[[], object]) -> bool:
        """Queues a task unless the queue is full.

        Args:
            task: Must handle its own exceptions.

        Returns:
            Whether the task was queued.
        """
        if not self._free_places.acquire(blocking=False):
            return False
        self._thread.submit(self._run, task)
        return True

    def close(self, within_s: float) -> None:
        """Runs waiting tasks for up to `within_s` seconds and drops the rest; no task may be offered afterwards."""
        wait([self._thread.submit(lambda: None)], within_s)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _run(self, task: Callable[[], object]) -> None:
        try:
            task()
        finally:
            self._free_places.release()
