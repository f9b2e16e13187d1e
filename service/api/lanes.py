"""Lanes in which admitted requests wait for a slot: one for known clips, one for short clips, one for long clips.

A request waits in the event loop, where waiting takes little memory. Only a request that has a slot takes a thread, and a
decoder if it uploads a clip. Long clips have slots for themselves, so that they do not hold up short clips.
"""

import asyncio
import time
from dataclasses import dataclass, field

import anyio

from service.engine.backlog import SHORT_WINDOWS

_KNOWN_SLOTS = 8
_FEWEST_SHORT_SLOTS = 8
_LONG_SLOTS = 4
_SHORT_S = 2.0
"""Time after which a request in the lane of short clips moves to the lane of long clips, once a slot is free there."""
_SMOOTHING = 0.1


@dataclass(slots=True, eq=False)
class Lane:
    """Requests of one kind, which get a limited number of slots in the order of their arrival.

    Attributes:
        n_slots: Number of requests that have a slot at the same time.
        slot_s: Moving average of the time for which a request has a slot while others wait, in seconds.
        n_waiting: Number of requests that wait for a slot.
    """

    n_slots: int
    slot_s: float = 0.0
    n_waiting: int = field(default=0, init=False)
    _limiter: anyio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(self.n_slots)

    @property
    def turn_s(self) -> float:
        """Time after which the next request gets a slot, in seconds; 0 if no request has waited yet."""
        return self.slot_s / self.n_slots

    @property
    def wait_s(self) -> float:
        """Estimated time until a new request gets a slot, in seconds."""
        return self.n_waiting * self.turn_s

    async def acquire(self, slot: "Slot") -> None:
        """Waits for a slot."""
        self.n_waiting += 1
        try:
            await self._limiter.acquire_on_behalf_of(slot)
        finally:
            self.n_waiting -= 1

    def try_acquire(self, slot: "Slot") -> bool:
        """Takes a slot if one is free and no request waits for it."""
        try:
            self._limiter.acquire_on_behalf_of_nowait(slot)
        except anyio.WouldBlock:
            return False
        return True

    def release(self, slot: "Slot") -> None:
        """Gives a slot back."""
        if self.n_waiting:
            held_s = time.monotonic() - slot.since_s
            self.slot_s += (_SMOOTHING if self.slot_s else 1.0) * (held_s - self.slot_s)
        self._limiter.release_on_behalf_of(slot)


@dataclass(slots=True, eq=False)
class Slot:
    """The slot of one request.

    Attributes:
        lane: The lane that the slot belongs to.
        since_s: Monotonic time at which the request got the slot.
        mover: Timer that moves the request to the lane of long clips.
    """

    lane: Lane
    since_s: float = 0.0
    mover: asyncio.TimerHandle | None = None


class Lanes:
    """The lanes of one service; used by the event loop's thread only.

    Args:
        parallel_windows: Largest number of windows that are embedded at the same time. The lane of short clips has twice as
            many slots: while windows are embedded, the next ones are decoded.

    Attributes:
        known: The lane of requests about clips that were uploaded earlier.
        short: The lane of short clips.
        long: The lane of long clips.
    """

    def __init__(self, parallel_windows: int) -> None:
        self.known = Lane(_KNOWN_SLOTS)
        self.short = Lane(max(_FEWEST_SHORT_SLOTS, 2 * parallel_windows))
        self.long = Lane(_LONG_SLOTS)

    @property
    def n_slots(self) -> int:
        """Number of slots of all lanes."""
        return self.known.n_slots + self.short.n_slots + self.long.n_slots

    def lane_of(self, n_windows: int | None) -> Lane:
        """The lane of a request.

        Args:
            n_windows: Expected number of windows of its upload; None for a known clip.
        """
        if n_windows is None:
            return self.known
        return self.short if n_windows <= SHORT_WINDOWS else self.long

    def take(self, lane: Lane) -> Slot | None:
        """Takes a slot of a lane if one is free and no request waits for it; the caller gives it back."""
        slot = Slot(lane)
        return self._begun(slot) if lane.try_acquire(slot) else None

    async def wait(self, lane: Lane) -> Slot:
        """Waits for a slot of a lane; the caller gives it back."""
        slot = Slot(lane)
        await lane.acquire(slot)
        return self._begun(slot)

    def give_back(self, slot: Slot) -> None:
        """Gives a slot back."""
        if slot.mover:
            slot.mover.cancel()
        slot.lane.release(slot)

    def _begun(self, slot: Slot) -> Slot:
        """Begins the time of a slot.

        A clip that takes longer than a short clip moves to the lane of long clips as soon as a slot is free there: its
        length was not known before it was decoded.
        """
        slot.since_s = time.monotonic()
        if slot.lane is self.short:
            self._move_later(slot)
        return slot

    def _move_later(self, slot: Slot) -> None:
        slot.mover = asyncio.get_running_loop().call_later(_SHORT_S, self._move, slot)

    def _move(self, slot: Slot) -> None:
        if self.long.try_acquire(slot):
            slot.lane.release(slot)
            slot.lane = self.long
        else:
            self._move_later(slot)
