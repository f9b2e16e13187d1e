"""Where blocking work is done: in threads beside the event loop, as many as the operator allows."""

import time
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


class Workers:
    """A bounded number of threads; who finds none free waits."""

    def __init__(self, n_threads: int) -> None:
        self._limiter = anyio.CapacityLimiter(n_threads)

    async def run(self, work: Callable[[], T]) -> tuple[T, float]:
        """Does blocking work in a thread.

        Returns:
            What it gave, and the seconds that it waited for a free thread.
        """
        asked = time.perf_counter()

        def timed() -> tuple[T, float]:
            waited = time.perf_counter() - asked
            return work(), waited

        return await anyio.to_thread.run_sync(timed, limiter=self._limiter)
