"""Waiting for what another thread, process or server does, on a machine that may be slow or busy."""

import time
from collections.abc import Callable

PATIENCE_S = 120.0
"""How long a test waits for what must happen; it fails afterwards. On a busy machine everything takes ten times as long."""
_STEP_S = 0.01
_MINUTE_S = 60


def wait_until(condition: Callable[[], object], limit_s: float = PATIENCE_S) -> None:
    """Waits until a condition is true; fails if it is not within the limit."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, f"the condition was not true within {limit_s} s"
        time.sleep(_STEP_S)


def avoid_the_end_of_a_minute(needed_s: float) -> None:
    """Waits for the next minute if the running minute ends within the time that a test needs. A day ends with a minute, too."""
    left_s = _MINUTE_S - time.time() % _MINUTE_S
    if left_s < needed_s:
        time.sleep(left_s)


def shortest_s(work: Callable[[], object], repeats: int = 5) -> float:
    """Shortest of several times that work takes, in seconds. A busy machine lengthens some of them."""
    times_s: list[float] = []
    for _ in range(repeats):
        began_s = time.monotonic()
        work()
        times_s.append(time.monotonic() - began_s)
    return min(times_s)
