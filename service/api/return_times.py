"""Times after which refused clients should try again, staggered so that they do not all return at once."""

import math
import random
import threading
import time
from collections import deque

_LONGEST_WAITS = 20
"""A client is sent away for at most this many times the longest accepted wait."""
_MARGIN = 1.4
"""Refused clients return this much slower than their work is estimated to take, because estimates can be too low."""


class ReturnTimes:
    """Gives each refused client a time to return; safe to use from several threads.

    Clients return one after another, at the rate at which the service works off their requests. The first returns when the
    work that waits now is half done, so that there is room for it even if the estimate is too low; but not while the rest of
    a wait of more than twice the longest accepted one would still be refused. The work of clients that were sent away and have
    not returned yet counts as work ahead of the next.

    Args:
        max_wait_s: Longest wait that the service accepts, in seconds.
    """

    def __init__(self, max_wait_s: float) -> None:
        self._max_wait_s = max_wait_s
        self._longest_s = max(1, round(_LONGEST_WAITS * max_wait_s))
        self._lock = threading.Lock()
        self._returns: deque[list[float]] = deque()
        self._returning_s = 0.0

    def next_s(self, wait_s: float, work_s: float) -> int:
        """The time after which a client should return, in whole seconds, at least 1.

        Args:
            wait_s: Time that the client would have to wait now, in seconds.
            work_s: Estimated work of its request, in seconds.
        """
        with self._lock:
            now_s = time.monotonic()
            while self._returns and self._returns[0][0] <= now_s:
                self._returning_s -= self._returns.popleft()[1]
            if not self._returns:
                self._returning_s = 0.0  # without the rounding errors of the sums
            retry_s = math.ceil(max(wait_s / 2, wait_s - self._max_wait_s) + self._returning_s + work_s)
            if retry_s > self._longest_s:
                return random.randint(self._longest_s // 2 + 1, self._longest_s)
            retry_s = max(1, retry_s)
            self._remember(now_s + retry_s, _MARGIN * work_s)
            return retry_s

    def _remember(self, at_s: float, work_s: float) -> None:
        """Adds a return; returns within a second are one entry, so that the memory is bounded."""
        self._returning_s += work_s
        if self._returns and at_s < self._returns[-1][0] + 1:
            self._returns[-1][1] += work_s
        else:
            self._returns.append([at_s, work_s])
