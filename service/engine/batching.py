"""Windows of all calls through the audio tower: in common batches, in turn, on the one thread that owns it.

While a batch runs the next one forms; a batch takes one window of each call in turn, so a long clip delays a short one
by no more than the batch that runs.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.core.errors import DeadlineExceeded, EngineStopped
from service.engine.call import Call, CallAbandoned
from service.engine.sessions import DeviceLost

Float32 = NDArray[np.float32]
T = TypeVar("T")

_LINGER_S = 0.002
_SMOOTHING = 0.1
_FIRST_GUESS_S = 0.05


@dataclass(slots=True, eq=False)
class PendingWindow:
    """A window on its way: its samples (N,), and its frame embeddings (Tw, D) to come."""

    call: Call
    samples: Float32
    embedded: Future[Float32] = field(default_factory=Future[Float32])
    started_s: float = 0.0

    def wait(self) -> Float32:
        """Waits for the embeddings, and counts the time to the stages queue and inference of the call.

        Raises:
            CallAbandoned, DeadlineExceeded: If the call is not wanted any longer.
            EngineStopped: If the device failed or the engine was closed.
        """
        asked_s = time.monotonic()
        try:
            return self.embedded.result(self.call.remaining_s)
        except TimeoutError:
            self.call.check()
            raise
        finally:
            done_s = time.monotonic()
            started_s = min(max(self.started_s or done_s, asked_s), done_s)
            self.call.stage_s["queue"] += started_s - asked_s
            self.call.stage_s["inference"] += done_s - started_s


@dataclass(slots=True)
class BatchCounts:
    """What a batcher has done so far.

    Attributes:
        batches: Batches run.
        windows: Windows in them.
        dropped: Windows that nobody waited for any longer when their batch formed.
        failed: Batches that failed.
    """

    batches: int = 0
    windows: int = 0
    dropped: int = 0
    failed: int = 0


class WindowBatcher:
    """Embeds windows on a thread of its own.

    Args:
        embed: The audio tower: windows (B, N) to embeddings (B, Tw, D); called on that thread only.
        max_windows: Windows in a batch at most.
        on_lost: Called once, on that thread, if the device is lost and nothing can be embedded any longer.

    Attributes:
        counts: For metrics.
        max_windows: As given.
    """

    def __init__(
        self, embed: Callable[[Float32], Float32], max_windows: int, on_lost: Callable[[BaseException], object]
    ) -> None:
        self.counts = BatchCounts()
        self.max_windows = max_windows
        self._embed, self._on_lost = embed, on_lost
        self._changed = threading.Condition()
        self._queues: OrderedDict[Call, deque[PendingWindow]] = OrderedDict()
        self._errands: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._running = 0
        self._stopped = False
        self._window_s = _FIRST_GUESS_S
        self._thread = threading.Thread(target=self._work, name="audio-tower", daemon=True)
        self._thread.start()

    @property
    def queued_windows(self) -> int:
        """Windows that wait or run."""
        with self._changed:
            return self._running + sum(len(queue) for queue in self._queues.values())

    @property
    def backlog_s(self) -> float:
        """Seconds that the windows in the queue will take, from how long windows took lately."""
        return self.queued_windows * self._window_s

    def submit(self, call: Call, samples: Float32) -> PendingWindow:
        """Queues a window, shape (N,), of a call.

        Raises:
            EngineStopped: If nothing can be embedded any longer.
        """
        window = PendingWindow(call, samples)
        with self._changed:
            self._check_running()
            self._queues.setdefault(call, deque()).append(window)
            self._changed.notify()
        return window

    def run(self, errand: Callable[[], T]) -> T:
        """Runs something else that needs the audio tower on its thread, before the next batch.

        Raises:
            EngineStopped: If nothing can be run any longer.
        """
        done: Future[T] = Future()
        with self._changed:
            self._check_running()
            self._errands.append((errand, done))
            self._changed.notify()
        return done.result()

    def close(self) -> None:
        """Ends the thread after the batch that runs; windows that wait are told that the engine stopped."""
        self._stop()
        self._thread.join()

    def _check_running(self) -> None:
        if self._stopped:
            raise EngineStopped

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                self._run_batch(batch)
        except BaseException as error:  # noqa: BLE001 - nothing can be embedded any longer, whatever it was
            self._stop()
            self._on_lost(error)

    def _next_batch(self) -> list[PendingWindow]:
        """Waits for windows; none means that the batcher was stopped."""
        while True:
            with self._changed:
                self._running = 0
                was_idle = not self._has_work()
                self._changed.wait_for(self._has_work)
                if self._stopped:
                    return []
                if was_idle and self.max_windows > 1:
                    self._changed.wait_for(lambda: self._stopped or self._is_full(), timeout=_LINGER_S)
                errands, self._errands = self._errands, deque()
                batch = self._take()
                self._running = len(batch)
            for errand, done in errands:
                _resolve(done, errand)
            if batch:
                return batch

    def _has_work(self) -> bool:
        return bool(self._stopped or self._queues or self._errands)

    def _is_full(self) -> bool:
        return sum(len(queue) for queue in self._queues.values()) >= self.max_windows

    def _take(self) -> list[PendingWindow]:
        """One window of each call in turn; windows of calls that are not wanted any longer are dropped."""
        batch: list[PendingWindow] = []
        while self._queues and len(batch) < self.max_windows:
            call, windows = self._queues.popitem(last=False)
            if not call.is_wanted:
                self._drop(call, windows)
                continue
            batch.append(windows.popleft())
            if windows:
                self._queues[call] = windows
        return batch

    def _drop(self, call: Call, windows: deque[PendingWindow]) -> None:
        self.counts.dropped += len(windows)
        try:
            call.check()
        except (CallAbandoned, DeadlineExceeded) as error:
            for window in windows:
                window.embedded.set_exception(error)

    def _run_batch(self, batch: list[PendingWindow]) -> None:
        began_s = time.monotonic()
        for window in batch:
            window.started_s = began_s
        try:
            embedded = self._embed(np.stack([window.samples for window in batch]))  # (B, Tw, D)
        except BaseException as error:
            self.counts.failed += 1
            for window in batch:
                window.embedded.set_exception(error)
            if not isinstance(error, Exception) or isinstance(error, DeviceLost):
                raise
            return
        self.counts.batches += 1
        self.counts.windows += len(batch)
        self._window_s += _SMOOTHING * ((time.monotonic() - began_s) / len(batch) - self._window_s)
        for window, frames in zip(batch, embedded, strict=True):
            window.embedded.set_result(frames)

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            waiting: list[Future[Any]] = [done for _, done in self._errands]
            waiting += [window.embedded for windows in self._queues.values() for window in windows]
            self._errands.clear()
            self._queues.clear()
            self._changed.notify()
        for future in waiting:
            future.set_exception(EngineStopped())


def _resolve(done: Future[Any], errand: Callable[[], Any]) -> None:
    try:
        done.set_result(errand())
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        done.set_exception(error)
