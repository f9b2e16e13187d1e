"""One call to the engine: its deadline, whether somebody still waits for it, and the time spent in each stage."""

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from service.core.errors import DeadlineExceeded

STAGES = ("decode", "cache", "queue", "inference", "post")


class CallAbandoned(Exception):  # noqa: N818 - not shown to anybody: the caller has gone
    """The caller has gone, so nobody waits for the answer."""


class Call:
    """Deadline, abandonment and timing of one call; the parts of the engine share it while they work for the call.

    Args:
        timeout_s: Time until the deadline, in seconds; infinite by default.
        count_audio: Called for each block of audio that is decoded for the call, with the duration in seconds, from any
            thread. An `EarmarkError` that it raises ends the call.

    Attributes:
        count_audio: As given.
        stage_s: Seconds spent in each stage so far, by the stage's name in `STAGES`; the stages together are the whole
            call.
        stage_times: Monotonic times of the first beginning and of the last end of each stage that the call has been in,
            in seconds. Stages of a long clip overlap: it is decoded while earlier windows wait for the model.
    """

    def __init__(
        self, timeout_s: float = math.inf, count_audio: Callable[[float], object] = lambda _seconds: None
    ) -> None:
        self.count_audio = count_audio
        self._timeout_s = timeout_s
        self._deadline_s = time.monotonic() + timeout_s
        self._abandoned = False
        self.stage_s: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.stage_times: dict[str, tuple[float, float]] = {}

    def abandon(self) -> None:
        """Marks the call as abandoned: nobody waits for its answer. May be called from any thread."""
        self._abandoned = True

    @property
    def remaining_s(self) -> float | None:
        """Time until the deadline in seconds, at least 0; None if the call has no deadline."""
        return None if math.isinf(self._deadline_s) else max(0.0, self._deadline_s - time.monotonic())

    @property
    def is_wanted(self) -> bool:
        """Whether the call was not abandoned and its deadline has not passed."""
        return not self._abandoned and time.monotonic() < self._deadline_s

    def check(self) -> None:
        """Does nothing while the call is wanted.

        Raises:
            CallAbandoned: If the call was abandoned.
            DeadlineExceeded: If the deadline has passed.
        """
        if self._abandoned:
            raise CallAbandoned
        if time.monotonic() >= self._deadline_s:
            raise DeadlineExceeded(self._timeout_s)

    def record(self, name: str, began_s: float, ended_s: float) -> None:
        """Adds the time between two monotonic times to a stage."""
        self.stage_s[name] += ended_s - began_s
        first_s, _ = self.stage_times.get(name, (began_s, ended_s))
        self.stage_times[name] = first_s, ended_s

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Adds the time that the `with` block takes to a stage."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self.record(name, began_s, time.monotonic())
