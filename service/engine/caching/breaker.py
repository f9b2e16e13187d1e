"""When to leave something alone that keeps failing, and when to try it again."""

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed at first; opens after failures in a row, and then lets one trial at a time through after each pause.

    Whoever was allowed to try must tell how it went.

    Args:
        failures: That many in a row open it.
        pause_s: Seconds between opening and a trial, and between trials.
        clock: Gives seconds that never go back.
    """

    def __init__(self, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._pause_s, self._clock = failures, pause_s, clock
        self._lock = threading.Lock()
        self._n_failures = 0
        self._trial_at: float | None = None  # None while it is closed
        self._trying = False

    @property
    def closed(self) -> bool:
        """Whether everybody may try."""
        return self._trial_at is None

    def allows(self) -> bool:
        """Whether the caller may try."""
        with self._lock:
            if self._trial_at is None:
                return True
            if self._trying or self._clock() < self._trial_at:
                return False
            self._trying = True
            return True

    def succeeded(self) -> bool:
        """Takes note of a success; tells whether that closed it."""
        with self._lock:
            closes = self._trial_at is not None
            self._n_failures, self._trial_at, self._trying = 0, None, False
            return closes

    def failed(self) -> bool:
        """Takes note of a failure; tells whether that opened it."""
        with self._lock:
            self._n_failures += 1
            if self._n_failures < self._limit:
                return False
            opens = self._trial_at is None
            self._trial_at, self._trying = self._clock() + self._pause_s, False
            return opens
