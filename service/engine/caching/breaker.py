"""A circuit breaker: after repeated failures, stops attempts for a while instead of letting each of them fail."""

import threading
import time
from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]
"""Whether every attempt is allowed, no attempt, or one trial."""


class CircuitBreaker:
    """Allows attempts while closed. Opens after several failures in a row; then allows one trial after each pause.

    Every caller whose attempt was allowed must report its outcome with `succeeded` or `failed`.

    Args:
        failures: Number of failures in a row that open the breaker.
        pause_s: Time between opening and the first trial, and between trials, in seconds.
        clock: Returns a monotonic time in seconds.
    """

    def __init__(self, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._pause_s, self._clock = failures, pause_s, clock
        self._lock = threading.Lock()
        self._n_failures = 0
        self._trial_at_s: float | None = None  # None while the breaker is closed
        self._trial_running = False

    @property
    def closed(self) -> bool:
        """Whether every attempt is allowed."""
        return self._trial_at_s is None

    @property
    def state(self) -> BreakerState:
        """ "half_open" from the end of the pause to the outcome of the trial."""
        with self._lock:
            if self._trial_at_s is None:
                return "closed"
            return "half_open" if self._trial_running or self._clock() >= self._trial_at_s else "open"

    def allows(self) -> bool:
        """Whether the caller may make an attempt now."""
        with self._lock:
            if self._trial_at_s is None:
                return True
            if self._trial_running or self._clock() < self._trial_at_s:
                return False
            self._trial_running = True
            return True

    def succeeded(self) -> bool:
        """Records a success. Returns whether it closed the breaker."""
        with self._lock:
            closes = self._trial_at_s is not None
            self._n_failures, self._trial_at_s, self._trial_running = 0, None, False
            return closes

    def failed(self) -> bool:
        """Records a failure. Returns whether it opened the breaker."""
        with self._lock:
            self._n_failures += 1
            if self._n_failures < self._limit:
                return False
            opens = self._trial_at_s is None
            self._trial_at_s, self._trial_running = self._clock() + self._pause_s, False
            return opens
