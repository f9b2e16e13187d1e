"""Worker threads for blocking work, which is abandoned if the client disconnects."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from service.engine.call import Call, CallAbandoned

T = TypeVar("T")


class WorkerThreads:
    """A limited number of threads: one for each admitted request, because most of them wait for the engine."""

    def __init__(self, n_threads: int) -> None:
        self._threads = anyio.CapacityLimiter(n_threads)

    async def run(self, request: Request, call: Call, work: Callable[[], T]) -> T:
        """Runs blocking work in a thread, and abandons the call if the client disconnects.

        Args:
            request: The request, whose body has been read completely.
            call: The call that the work checks from time to time; abandoned when this method returns.
            work: The blocking work.

        Raises:
            ClientDisconnect: If the client disconnected. Work that waits for a thread is not begun; work that runs stops
                at its next check of the call.
        """

        def begin() -> T:
            call.check()
            return work()

        watch = asyncio.create_task(_abandon_on_disconnect(request, call))
        try:
            return await anyio.to_thread.run_sync(begin, limiter=self._threads, abandon_on_cancel=True)
        except CallAbandoned as error:
            raise ClientDisconnect from error
        finally:
            call.abandon()  # if this task was cancelled, the thread is still running
            watch.cancel()


async def _abandon_on_disconnect(request: Request, call: Call) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    call.abandon()
