"""One call on its way through the engine: whether it is still wanted, until when, and where its time goes."""

import math
import time
from collections.abc import Generator
from contextlib import contextmanager

from service.core.errors import DeadlineExceeded

STAGES = ("decode", "cache", "queue", "inference", "post")


class CallAbandoned(Exception):  # noqa: N818 - it tells nobody anything: whoever asked has gone
    """Nobody waits for the answer any longer."""


class Call:
    """What the parts of the engine know about the call that they work for.

    Attributes:
        stage_s: Seconds spent in each stage so far, by its name in `STAGES`; together they are the whole call.
    """

    def __init__(self, timeout_s: float = math.inf) -> None:
        self._timeout_s = timeout_s
        self._deadline_s = time.monotonic() + timeout_s
        self._abandoned = False
        self.stage_s: dict[str, float] = dict.fromkeys(STAGES, 0.0)

    def abandon(self) -> None:
        """Tells that nobody waits for the answer any longer; from any thread."""
        self._abandoned = True

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the deadline, at least 0; None if there is none."""
        return None if math.isinf(self._deadline_s) else max(0.0, self._deadline_s - time.monotonic())

    @property
    def is_wanted(self) -> bool:
        """Whether an answer would still be of use."""
        return not self._abandoned and time.monotonic() < self._deadline_s

    def check(self) -> None:
        """Returns if the call is still wanted.

        Raises:
            CallAbandoned: If nobody waits any longer.
            DeadlineExceeded: If the deadline has passed.
        """
        if self._abandoned:
            raise CallAbandoned
        if time.monotonic() >= self._deadline_s:
            raise DeadlineExceeded(self._timeout_s)

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Counts the time of a block to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.stage_s[name] += time.perf_counter() - began
