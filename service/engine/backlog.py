"""The work ahead of the audio encoder: windows that calls will submit, and the time that a window takes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from service.engine.call import Call

SHORT_WINDOWS = 8
"""A clip of at most this many windows is short: it is decoded without waiting for the audio encoder."""
_INITIAL_WINDOW_S = 0.05
"""Assumed time per window until a batch has been measured."""
_SMOOTHING = 0.1
"""Weight of the latest batch in the moving average of the time per window."""


@dataclass(slots=True)
class _Expected:
    n_windows: int
    is_short: bool


class Queued(NamedTuple):
    """The windows of one call that wait in the batcher or are being embedded."""

    call: Call
    n_windows: int


class Backlog:
    """Windows that calls will probably submit; the caller guards it with a lock.

    A call counts as short or long by the number of windows that were expected of it at first. A call of which no window
    was expected counts as short.
    """

    def __init__(self) -> None:
        self._expected: dict[Call, _Expected] = {}
        self._n_short = self._n_long = 0

    def expect(self, call: Call, n_windows: int) -> None:
        """Counts windows that a call will probably submit, until `submitted` or `forget`."""
        self.forget(call)
        self._expected[call] = _Expected(n_windows, is_short=n_windows <= SHORT_WINDOWS)
        self._count(self._expected[call], n_windows)

    def forget(self, call: Call) -> None:
        """Counts no window of a call any more."""
        expected = self._expected.pop(call, None)
        if expected:
            self._count(expected, -expected.n_windows)

    def submitted(self, call: Call) -> None:
        """Counts one window less of a call, which has submitted it."""
        expected = self._expected.get(call)
        if expected and expected.n_windows:
            expected.n_windows -= 1
            self._count(expected, -1)

    def is_short(self, call: Call) -> bool:
        """Whether a call counts as short."""
        expected = self._expected.get(call)
        return expected is None or expected.is_short

    @property
    def n_expected(self) -> int:
        """Number of windows that calls will probably submit."""
        return self._n_short + self._n_long

    def ahead_of(self, n_windows: int, queued: Iterable[Queued], batch_windows: int) -> float:
        """Number of windows that are embedded before a new call of `n_windows` windows gets its turn.

        Every call gets one window of each batch in turn. A short call therefore waits for the other short calls, and for
        one window of each running long call a batch. A long call waits for all windows that are known now.

        Args:
            n_windows: Expected number of windows of the new call.
            queued: The queued windows of each call.
            batch_windows: Largest number of windows in a batch.
        """
        n_short, n_long, n_long_calls = self._n_short, self._n_long, 0
        for item in queued:
            if self.is_short(item.call):
                n_short += item.n_windows
            else:
                n_long += item.n_windows
                n_long_calls += 1
        if n_windows > SHORT_WINDOWS:
            return n_short + n_long
        return n_short + min(n_long, n_short * n_long_calls / batch_windows)

    def _count(self, expected: _Expected, n_windows: int) -> None:
        if expected.is_short:
            self._n_short += n_windows
        else:
            self._n_long += n_windows


class WindowTime:
    """Moving average of the time per window while windows wait.

    Small batches are not measured while the queue is empty: a window costs more in them than in the full batches of a
    backlog.

    Args:
        batch_windows: Largest number of windows in a batch.

    Attributes:
        seconds: Time per window in a full batch, in seconds.
    """

    def __init__(self, batch_windows: int) -> None:
        self.seconds = _INITIAL_WINDOW_S
        self._batch_windows = batch_windows
        self._is_measured = False

    def measure(self, n_windows: int, batch_s: float, gap_s: float | None = None) -> None:
        """Measures a batch.

        Args:
            n_windows: Number of windows in the batch.
            batch_s: Duration of the batch, in seconds.
            gap_s: Time since the previous batch if at least a full batch of windows was known throughout, in seconds;
                else None. The gap counts up to the duration of the batch, so that one slow decoder does not decide.
        """
        if gap_s is None and 2 * n_windows < self._batch_windows:
            return
        window_s = (batch_s + min(gap_s or 0.0, batch_s)) / n_windows
        self.seconds += (_SMOOTHING if self._is_measured else 1.0) * (window_s - self.seconds)
        self._is_measured = True
