"""How slowly a client may send its request and read its answer."""

import asyncio
import math
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

SLOW_START_S = 20.0
"""Time that a client may always take, whatever its speed, in seconds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The slowest accepted pace of a client.

    Attributes:
        timeout_s: Maximum time for the transfer, in seconds.
        min_bytes_per_s: Minimum average speed after the start; 0 for no minimum.
        slow_start_s: Duration of the start, in which every speed is accepted, in seconds.
    """

    timeout_s: float
    min_bytes_per_s: int
    slow_start_s: float = SLOW_START_S

    def allowed_s(self, n_bytes: int) -> float:
        """Maximum time that the client may take for `n_bytes` bytes, in seconds."""
        by_speed_s = self.slow_start_s + n_bytes / self.min_bytes_per_s if self.min_bytes_per_s else math.inf
        return min(self.timeout_s, by_speed_s)


@dataclass(slots=True)
class Transfer:
    """The progress of one upload or one answer. Only the time that is spent waiting for the client counts.

    Attributes:
        pace: The slowest accepted pace.
        n_bytes: Bytes transferred so far.
        waited_s: Time spent waiting for the client so far, in seconds.
    """

    pace: Pace
    n_bytes: int = 0
    waited_s: float = 0.0

    async def wait_for(self, client: Awaitable[T], at_most_s: float = math.inf) -> T:
        """Waits for the client, and returns the result.

        Args:
            client: What the client has to do, such as sending the next piece; cancelled after the limit.
            at_most_s: Limit on the wait beside the pace, in seconds.

        Raises:
            TimeoutError: If the client is slower than the pace, or takes longer than `at_most_s`.
        """
        began_s = time.monotonic()
        limit_s = max(0.0, min(self.pace.allowed_s(self.n_bytes) - self.waited_s, at_most_s))
        try:
            async with asyncio.timeout(None if math.isinf(limit_s) else limit_s):
                return await client
        finally:
            self.waited_s += time.monotonic() - began_s
