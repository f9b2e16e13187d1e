"""A clock for the patience with clients, which stands still while the event loop is too busy to listen to them."""

import time

_LONGEST_STEP_S = 0.25
"""Longest time between two ticks that counts; the event loop ticks every 0.1 s if it is not busy."""


class PatientClock:
    """A monotonic clock that `tick` advances, by at most 0.25 s at a time.

    A burst of thousands of requests keeps the event loop busy for seconds. What clients have sent meanwhile waits to be
    read, so this time must not count as their silence.

    Attributes:
        now_s: Time of the last tick, in seconds.
    """

    def __init__(self) -> None:
        self.now_s = self._ticked_at_s = time.monotonic()

    def tick(self) -> None:
        """Advances the clock."""
        now_s = time.monotonic()
        self.now_s += min(now_s - self._ticked_at_s, _LONGEST_STEP_S)
        self._ticked_at_s = now_s
