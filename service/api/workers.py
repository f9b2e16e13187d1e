"""Where blocking work is done: in threads beside the event loop, as many as the operator allows."""

import time
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")


class Workers:
    """A bounded number of threads; who finds none free waits."""

    def __init__(self, n_threads: int) -> None:
        self._turns = anyio.Semaphore(n_threads)
        self._threads = anyio.CapacityLimiter(n_threads)

    async def run(self, request: Request, work: Callable[[], T]) -> tuple[T, float]:
        """Does blocking work for a request in a thread.

        Returns:
            What it gave, and the seconds that it waited for a free thread.

        Raises:
            ClientDisconnect: If the client went away while it waited; then nothing is done.
        """
        asked = time.perf_counter()
        async with self._turns:
            if await request.is_disconnected():
                raise ClientDisconnect
            waited = time.perf_counter() - asked
            return await anyio.to_thread.run_sync(work, limiter=self._threads), waited
