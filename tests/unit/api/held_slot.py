"""A slot of a lane that is held during a block, as `WorkerThreads` holds it while a request is worked on."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from service.api.lanes import Lane, Lanes


@asynccontextmanager
async def held_slot(lanes: Lanes, lane: Lane) -> AsyncGenerator[None]:
    """Waits for a slot of a lane, and holds it during the block."""
    slot = lanes.take(lane) or await lanes.wait(lane)
    try:
        yield
    finally:
        lanes.give_back(slot)
