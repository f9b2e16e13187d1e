"""What any part of the service needs to log: the ids of the current request, and a limit on repeated lines."""

import time
from collections.abc import Callable
from contextvars import ContextVar

_INTERVAL_S = 60.0

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the current request; None outside a request. Every log line of the request has the id."""

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""Id of the trace of the current request, in hexadecimal; None outside a request and while tracing is off."""


class Throttle:
    """Limits how often something is logged: at most once a minute.

    Args:
        clock: Returns a monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_s: float | None = None

    def is_due(self) -> bool:
        """Returns whether a minute has passed since this method returned true; true at the first call."""
        now_s = self._clock()
        if self._last_s is not None and now_s - self._last_s < _INTERVAL_S:
            return False
        self._last_s = now_s
        return True
