"""Worker threads for blocking work, which is abandoned if the client disconnects."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

from service.api.lanes import Lane, Lanes
from service.engine.call import Call, CallAbandoned

T = TypeVar("T")

_AFTER_DEADLINE_S = 0.005
"""The wait for a slot ends so long after the deadline that the call knows it, too."""


class WorkerThreads:
    """A thread for each request that has a slot in its lane; requests without a slot wait in the event loop.

    Args:
        lanes: The lanes in which requests wait for their slots.
    """

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._threads = ThreadPoolExecutor(lanes.n_slots, "request")

    async def run(self, request: Request, call: Call, work: Callable[[], T], lane: Lane) -> T:
        """Runs blocking work in a thread, and abandons the call if the client disconnects.

        Args:
            request: The request, whose body has been read completely.
            call: The call that the work checks from time to time; abandoned when this method returns. The time for which
                the work waits for a slot is added to its stage "queue".
            work: The blocking work.
            lane: The lane in which the work waits for a slot.

        Raises:
            ClientDisconnect: If the client disconnected. Work that waits for a slot leaves its lane at once; work that runs
                stops at its next check of the call.
            DeadlineExceeded: If the deadline passes while the work waits for a slot, or if the work raises it.
        """

        def begin() -> T:
            call.check()
            return work()

        remaining_s = math.inf if call.remaining_s is None else call.remaining_s
        waiting = anyio.CancelScope(deadline=anyio.current_time() + remaining_s + _AFTER_DEADLINE_S)
        watch = asyncio.create_task(_abandon_on_disconnect(request, call, waiting))
        try:
            with call.stage("queue"):
                slot = self._lanes.take(lane)
                if slot is None:
                    with waiting:
                        slot = await self._lanes.wait(lane)
            if slot is None:  # the wait was cancelled
                call.check()
                raise CallAbandoned
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, copy_context().run, begin)
            finally:
                self._lanes.give_back(slot)
        except CallAbandoned as error:
            raise ClientDisconnect from error
        finally:
            call.abandon()  # if this task was cancelled, the thread is still running
            watch.cancel()


async def _abandon_on_disconnect(request: Request, call: Call, waiting: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    call.abandon()
    waiting.cancel()
