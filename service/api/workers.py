"""Where blocking work is done: in threads beside the event loop, for as long as the client waits."""

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
    """Threads, as many as requests are let in: most of them wait for the engine."""

    def __init__(self, n_threads: int) -> None:
        self._threads = anyio.CapacityLimiter(n_threads)

    async def run(self, request: Request, call: Call, work: Callable[[], T]) -> T:
        """Does blocking work for a request whose body has been read; a client that goes away abandons the call.

        Raises:
            ClientDisconnect: If the client went away; the work ends at its next look at the call.
        """
        watch = asyncio.create_task(_abandon_on_disconnect(request, call))
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads, abandon_on_cancel=True)
        except CallAbandoned as error:
            raise ClientDisconnect from error
        finally:
            call.abandon()  # if this task was cancelled, the thread still works
            watch.cancel()


async def _abandon_on_disconnect(request: Request, call: Call) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    call.abandon()
