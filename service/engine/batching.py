"""Batches windows of all calls for the audio encoder, which runs on one thread.

While a batch runs, the next batch forms. A batch takes one window of each call in turn, so a long clip delays a short
clip by at most the batch that is running.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.core.errors import DeadlineExceeded, EngineStopped
from service.engine.backlog import Backlog, Queued, WindowTime
from service.engine.batch_counts import BatchCounts
from service.engine.call import Call, CallAbandoned
from service.engine.sessions import DeviceLost

Float32 = NDArray[np.float32]
T = TypeVar("T")

_LINGER_S = 0.002
"""After an idle period, how long the first batch waits for more windows."""


@dataclass(slots=True, eq=False)
class PendingWindow:
    """A window that waits for its embeddings.

    Attributes:
        call: The call that the window belongs to.
        samples: Shape (N,).
        embeddings: Future of the frame embeddings, shape (Tw, D).
        started_s: Monotonic time at which the window's batch started; 0 before that.
    """

    call: Call
    samples: Float32
    embeddings: Future[Float32] = field(default_factory=Future[Float32])
    started_s: float = 0.0

    def wait(self) -> Float32:
        """Waits for the embeddings, and adds the time to the stages "queue" and "inference" of the call.

        Raises:
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
            EngineStopped: If the device failed or the engine was closed.
        """
        began_s = time.monotonic()
        try:
            return self.embeddings.result(self.call.remaining_s)
        except TimeoutError:
            self.call.check()
            raise
        finally:
            done_s = time.monotonic()
            started_s = min(max(self.started_s or done_s, began_s), done_s)
            self.call.record("queue", began_s, started_s)
            self.call.record("inference", started_s, done_s)


class WindowBatcher:
    """Embeds windows in batches, on a thread that only the batcher uses.

    Args:
        embed: The audio encoder: windows (B, N) to frame embeddings (B, Tw, D). Called on the batcher's thread only.
        max_windows: Largest number of windows in a batch.
        on_device_lost: Called once with the exception, on the batcher's thread, if the device fails for good.

    Attributes:
        counts: Batches and windows processed so far.
        max_windows: Largest number of windows in a batch.
    """

    def __init__(
        self, embed: Callable[[Float32], Float32], max_windows: int, on_device_lost: Callable[[BaseException], object]
    ) -> None:
        self.counts = BatchCounts()
        self.max_windows = max_windows
        self._embed, self._on_device_lost = embed, on_device_lost
        self._changed = threading.Condition()
        self._queues: OrderedDict[Call, deque[PendingWindow]] = OrderedDict()
        self._tasks: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._backlog = Backlog()
        self._running: list[PendingWindow] = []
        self._stopped = False
        self._window_time = WindowTime(max_windows)
        self._busy_since_s: float | None = None
        self._thread = threading.Thread(target=self._work, name="audio-encoder", daemon=True)
        self._thread.start()

    @property
    def queued_windows(self) -> int:
        """Number of windows that wait or are being embedded, without those of calls that nobody waits for."""
        with self._changed:
            return sum(queued.n_windows for queued in self._queued())

    @property
    def window_s(self) -> float:
        """Time per window while windows wait, in seconds."""
        return self._window_time.seconds

    @property
    def backlog_s(self) -> float:
        """Estimated time to process all windows of the admitted calls, in seconds, from the time of recent windows."""
        with self._changed:
            n_windows = self._backlog.n_expected + sum(queued.n_windows for queued in self._queued())
        return n_windows * self.window_s

    def wait_s(self, n_windows: int) -> float:
        """Estimated time that a new call waits for the windows of other calls, in seconds.

        Args:
            n_windows: Expected number of windows of the new call.
        """
        with self._changed:
            n_ahead = self._backlog.ahead_of(n_windows, self._queued(), self.max_windows)
        return n_ahead * self.window_s

    @contextmanager
    def expecting(self, call: Call, n_windows: int) -> Generator[None]:
        """Counts windows that a call will probably submit in the `with` block to the backlog, until they are submitted."""
        with self._changed:
            self._backlog.expect(call, n_windows)
        try:
            yield
        finally:
            with self._changed:
                self._backlog.forget(call)

    def measure(self, samples: Float32) -> None:
        """Measures the time of a full batch, for estimates before the first call.

        Args:
            samples: One window, shape (N,).
        """

        def measure() -> None:
            batch = np.tile(samples, (self.max_windows, 1))
            began_s = time.monotonic()
            self._embed(batch)
            self._window_time.measure(self.max_windows, time.monotonic() - began_s)

        self.run(measure)

    def submit(self, call: Call, samples: Float32) -> PendingWindow:
        """Queues a window of a call, shape (N,).

        Raises:
            EngineStopped: If the device failed or the batcher was closed.
        """
        window = PendingWindow(call, samples)
        with self._changed:
            self._check_running()
            self._queues.setdefault(call, deque()).append(window)
            self._backlog.submitted(call)
            self._changed.notify()
        return window

    def run(self, task: Callable[[], T]) -> T:
        """Runs another task that needs the audio encoder on the batcher's thread, before the next batch.

        Raises:
            EngineStopped: If the device failed or the batcher was closed.
        """
        result: Future[T] = Future()
        with self._changed:
            self._check_running()
            self._tasks.append((task, result))
            self._changed.notify()
        return result.result()

    def close(self) -> None:
        """Ends the thread after the running batch; waiting windows fail with `EngineStopped`."""
        self._stop()
        self._thread.join()

    def _check_running(self) -> None:
        if self._stopped:
            raise EngineStopped

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                self._run_batch(batch)
        except BaseException as error:  # noqa: BLE001 - whatever it was, the audio encoder cannot be used again
            self._stop()
            self._on_device_lost(error)

    def _next_batch(self) -> list[PendingWindow]:
        """Waits for windows; an empty batch means that the batcher was stopped."""
        while True:
            with self._changed:
                self._running = []
                was_idle = not self._has_work()
                self._changed.wait_for(self._has_work)
                if self._stopped:
                    return []
                if was_idle and self.max_windows > 1:
                    self._changed.wait_for(lambda: self._stopped or self._is_full(), timeout=_LINGER_S)
                tasks, self._tasks = self._tasks, deque()
                batch = self._take_batch()
                self._running = batch
            for task, result in tasks:
                _run_task(task, result)
            if batch:
                return batch

    def _has_work(self) -> bool:
        return bool(self._stopped or self._queues or self._tasks)

    def _is_full(self) -> bool:
        return sum(len(queue) for queue in self._queues.values()) >= self.max_windows

    def _take_batch(self) -> list[PendingWindow]:
        """Takes one window of each call in turn; drops the windows of calls that were abandoned or are late."""
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
                window.embeddings.set_exception(error)

    def _run_batch(self, batch: list[PendingWindow]) -> None:
        began_s = time.monotonic()
        for window in batch:
            window.started_s = began_s
        try:
            embeddings = self._embed(np.stack([window.samples for window in batch]))  # (B, Tw, D)
        except BaseException as error:
            self.counts.failed += 1
            for window in batch:
                window.embeddings.set_exception(error)
            if not isinstance(error, Exception) or isinstance(error, DeviceLost):
                raise
            return
        self.counts.add(len(batch), time.monotonic() - began_s)
        self._measure(len(batch), began_s)
        for window, frames in zip(batch, embeddings, strict=True):
            window.embeddings.set_result(frames)

    def _measure(self, n_windows: int, began_s: float) -> None:
        """Measures a batch that ends now; the gap before it counts if there was work for a full batch throughout."""
        now_s = time.monotonic()
        gap_s = None if self._busy_since_s is None else began_s - self._busy_since_s
        self._window_time.measure(n_windows, now_s - began_s, gap_s)
        with self._changed:
            n_known = self._backlog.n_expected + sum(len(windows) for windows in self._queues.values())
        self._busy_since_s = now_s if n_known >= self.max_windows else None

    def _queued(self) -> list[Queued]:
        """The windows of each wanted call that wait or are being embedded; the caller holds the lock."""
        counts = {call: len(windows) for call, windows in self._queues.items()}
        for window in self._running:
            counts[window.call] = counts.get(window.call, 0) + 1
        return [Queued(call, n_windows) for call, n_windows in counts.items() if call.is_wanted]

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            waiting: list[Future[Any]] = [result for _, result in self._tasks]
            waiting += [window.embeddings for windows in self._queues.values() for window in windows]
            self._tasks.clear()
            self._queues.clear()
            self._changed.notify()
        for future in waiting:
            future.set_exception(EngineStopped())


def _run_task(task: Callable[[], Any], result: Future[Any]) -> None:
    try:
        result.set_result(task())
    except Exception as error:  # noqa: BLE001 - the caller of `run` gets the exception
        result.set_exception(error)
