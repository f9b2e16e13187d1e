"""The order in which windows of several calls reach the audio encoder; the caller guards it with a lock."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable

from service.core.errors import DeadlineExceeded
from service.engine.backlog import Queued
from service.engine.call import Call, CallAbandoned
from service.engine.pending_window import PendingWindow


class Turns:
    """Windows that wait or are being embedded, by call.

    The next window belongs to a call with the fewest windows that are being embedded; among those calls, to the one that has
    waited longest for a turn. So a long clip has one core at most while other clips wait, and an equal share of a batch.

    Attributes:
        n_dropped: Number of windows that were skipped, because their call had been abandoned or was past its deadline.
    """

    def __init__(self) -> None:
        self.n_dropped = 0
        self._waiting: OrderedDict[Call, deque[PendingWindow]] = OrderedDict()
        self._running: Counter[Call] = Counter()

    @property
    def n_waiting(self) -> int:
        """Number of windows that wait, including those of calls that are no longer wanted."""
        return sum(len(windows) for windows in self._waiting.values())

    @property
    def is_waiting(self) -> bool:
        """Whether a window waits."""
        return bool(self._waiting)

    @property
    def waiting_calls(self) -> Iterable[Call]:
        """The calls that have waiting windows, including those that are no longer wanted."""
        return self._waiting.keys()

    def add(self, window: PendingWindow) -> None:
        """Adds a window behind the other windows of its call."""
        self._waiting.setdefault(window.call, deque()).append(window)

    def take(self, max_windows: int) -> list[PendingWindow]:
        """Takes the next windows, at most `max_windows`; drops the windows of calls that were abandoned or are late."""
        batch: list[PendingWindow] = []
        while self._waiting and len(batch) < max_windows:
            call = min(self._waiting, key=self._running.__getitem__)
            windows = self._waiting.pop(call)
            if not call.is_wanted:
                self._drop(call, windows)
                continue
            batch.append(windows.popleft())
            self._running[call] += 1
            if windows:
                self._waiting[call] = windows
        return batch

    def finished(self, batch: Iterable[PendingWindow]) -> None:
        """Notes that windows which `take` returned are no longer being embedded."""
        for window in batch:
            self._running[window.call] -= 1
            if not self._running[window.call]:
                del self._running[window.call]

    def clear(self) -> list[PendingWindow]:
        """Takes all waiting windows, in any order."""
        waiting = [window for windows in self._waiting.values() for window in windows]
        self._waiting.clear()
        return waiting

    def queued(self) -> list[Queued]:
        """The number of windows of each wanted call that wait or are being embedded."""
        counts = dict(self._running)
        for call, windows in self._waiting.items():
            counts[call] = counts.get(call, 0) + len(windows)
        return [Queued(call, n_windows) for call, n_windows in counts.items() if call.is_wanted]

    def _drop(self, call: Call, windows: deque[PendingWindow]) -> None:
        self.n_dropped += len(windows)
        try:
            call.check()
        except (CallAbandoned, DeadlineExceeded) as error:
            for window in windows:
                window.embeddings.set_exception(error)
