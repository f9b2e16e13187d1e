"""Waiting for what another thread, process or server does."""

import time
from collections.abc import Callable

_STEP_S = 0.01


def wait_until(condition: Callable[[], object], limit_s: float = 60.0) -> None:
    """Waits until a condition is true; fails if it is not within the limit."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, f"the condition was not true within {limit_s} s"
        time.sleep(_STEP_S)
