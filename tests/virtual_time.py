"""An event loop for tests of coroutines whose time passes only while nothing is to do, whatever the machine is busy with."""

import asyncio
import selectors
from typing import Any

_LATE_S = 1e-6
"""Time by which a timer fires late, as on a real clock."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it.

    For coroutines that wait for each other and for timers only: what another thread or a socket does takes no time on this
    clock, so a timer that runs beside it fires at once.
    """

    def __init__(self) -> None:
        self._selector_of_jumps = _JumpingSelector()
        super().__init__(self._selector_of_jumps)

    def time(self) -> float:
        return self._selector_of_jumps.now_s


VIRTUAL_TIME = "asyncio", {"loop_factory": VirtualTimeLoop}
"""Value of the fixture `anyio_backend` for tests with this loop."""


class LoopClock:
    """Takes the place of the module `time` in a module whose code runs in the event loop."""

    @staticmethod
    def monotonic() -> float:
        return asyncio.get_running_loop().time()


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that does not wait for a time, but adds it to its own."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        self.now_s += timeout + _LATE_S
        return super().select(0)
