"""Runs the windows of all calls through the audio encoder.

On a GPU one thread runs batches, and the next batch forms while a batch runs. On a CPU a batch is no faster than its windows
alone, so every core runs one window at a time; only a window that nothing else runs beside gets all cores. Long clips leave one
core free for a while after a short clip.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.core.errors import EngineStopped
from service.engine.backlog import Backlog, WindowTime
from service.engine.batch_counts import BatchCounts
from service.engine.call import Call
from service.engine.encoders import WindowEncoder
from service.engine.kept_core import KEEP_S, KeptCore
from service.engine.pending_window import PendingWindow
from service.engine.sessions import DeviceLost
from service.engine.turns import Turns

Float32 = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Run:
    """What a thread does next: a task with the future of its result, or a batch, which may have all threads."""

    batch: list[PendingWindow]
    is_alone: bool = False
    task: tuple[Callable[[], Any], Future[Any]] | None = None


class WindowBatcher:
    """Embeds windows on threads that only the batcher uses.

    Args:
        encoder: The audio encoder. Its methods are called on the batcher's threads only.
        on_device_lost: Called once with the exception, on a thread of the batcher, if the device fails for good.
        keep_s: Time for which long clips leave one of several cores free after a window of a short clip, in seconds.

    Attributes:
        counts: Batches and windows processed so far.
        max_windows: Largest number of windows in a batch.
        parallel_windows: Largest number of windows that are embedded at the same time.
    """

    def __init__(
        self, encoder: WindowEncoder, on_device_lost: Callable[[BaseException], object], keep_s: float = KEEP_S
    ) -> None:
        self.counts = BatchCounts()
        self.max_windows = encoder.max_windows
        self.parallel_windows = encoder.n_runs * encoder.max_windows
        self._encoder, self._n_runs, self._on_device_lost = encoder, encoder.n_runs, on_device_lost
        self._changed = threading.Condition()
        self._turns, self._backlog = Turns(), Backlog()
        self._kept_core = KeptCore(encoder.n_runs, keep_s)
        self._tasks: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._n_running, self._is_alone = 0, False
        self._stopped = self._is_lost = False
        self._window_time = WindowTime(self.max_windows)
        self._threads = [
            threading.Thread(target=self._work, name=f"audio-encoder-{number}", daemon=True)
            for number in range(encoder.n_runs)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def queued_windows(self) -> int:
        """Number of windows that wait or are being embedded, without those of calls that nobody waits for."""
        with self._changed:
            return sum(queued.n_windows for queued in self._turns.queued())

    @property
    def window_s(self) -> float:
        """Time per window while windows wait, in seconds."""
        return self._window_time.seconds

    @property
    def backlog_s(self) -> float:
        """Estimated time to process all windows of the admitted calls, in seconds, from the time of recent windows."""
        with self._changed:
            n_windows = self._backlog.n_expected + sum(queued.n_windows for queued in self._turns.queued())
        return n_windows * self.window_s

    def wait_s(self, n_windows: int) -> float:
        """Estimated time that a new call waits for the windows of other calls, in seconds.

        Args:
            n_windows: Expected number of windows of the new call.
        """
        with self._changed:
            n_ahead = self._backlog.ahead_of(n_windows, self._turns.queued(), self.parallel_windows)
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
            self._encoder.embed_beside(batch)
            self._window_time.measure(self.max_windows, (time.monotonic() - began_s) / self._n_runs)

        self.run(measure)

    def submit(self, call: Call, samples: Float32) -> PendingWindow:
        """Queues a window of a call, shape (N,).

        Raises:
            EngineStopped: If the device failed or the batcher was closed.
        """
        window = PendingWindow(call, samples)
        with self._changed:
            self._check_running()
            self._turns.add(window)
            self._backlog.submitted(call)
            if self._backlog.is_short(call):
                self._kept_core.short_clip_came()
            self._changed.notify()
        return window

    def run(self, task: Callable[[], T]) -> T:
        """Runs another task that needs the audio encoder on a thread of the batcher, before the next batch.

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
        """Ends the threads after the running batches; waiting windows fail with `EngineStopped`."""
        self._stop()
        for thread in self._threads:
            thread.join()

    def _check_running(self) -> None:
        if self._stopped:
            raise EngineStopped

    def _work(self) -> None:
        busy_since_s: float | None = None
        try:
            while run := self._next_run():
                busy_since_s = self._run(run, busy_since_s)
        except BaseException as error:  # noqa: BLE001 - whatever it was, the audio encoder cannot be used again
            self._stop()
            with self._changed:
                is_first, self._is_lost = not self._is_lost, True
            if is_first:
                self._on_device_lost(error)

    def _next_run(self) -> _Run | None:
        """Waits for work; None means that the batcher was stopped."""
        with self._changed:
            while True:
                while not self._may_run():
                    self._changed.wait(self._kept_core.left_s)
                if self._stopped:
                    return None
                if self._tasks:
                    run = _Run([], task=self._tasks.popleft())
                else:
                    is_alone = self._n_running == 0 and self._turns.n_waiting <= self.max_windows
                    is_alone = is_alone and not self._leaves_core_free(n_running=self._n_runs)
                    run = _Run(self._turns.take(self.max_windows), is_alone)
                    self.counts.dropped = self._turns.n_dropped
                    if not run.batch:
                        continue
                self._n_running += 1
                self._is_alone = run.is_alone
                return run

    def _may_run(self) -> bool:
        if self._stopped or self._is_alone:
            return self._stopped
        return bool(self._tasks or (self._turns.is_waiting and not self._leaves_core_free(self._n_running)))

    def _leaves_core_free(self, n_running: int) -> bool:
        """Whether only long clips wait, and leave the last free core to short ones while `n_running` windows are embedded."""
        return self._kept_core.is_kept(n_running) and not any(map(self._backlog.is_short, self._turns.waiting_calls))

    def _run(self, run: _Run, busy_since_s: float | None) -> float | None:
        """Does one run; see `_measure` for the argument and for the returned time."""
        if run.task is not None:
            _run_task(*run.task)
            self._finish(run)
            return None
        batch, began_s = run.batch, time.monotonic()
        for window in batch:
            window.started_s = began_s
        embed = self._encoder.embed if run.is_alone else self._encoder.embed_beside
        try:
            embeddings = embed(_batch_of(batch))  # (B, Tw, D)
        except BaseException as error:
            self._finish(run, n_failed=1)
            for window in batch:
                window.embeddings.set_exception(error)
            if not isinstance(error, Exception) or isinstance(error, DeviceLost):
                raise
            return None
        busy_since_s = self._measure(run, began_s, busy_since_s)
        self._finish(run)
        for window, frames in zip(batch, embeddings, strict=True):
            window.embeddings.set_result(frames)
        return busy_since_s

    def _measure(self, run: _Run, began_s: float, busy_since_s: float | None) -> float | None:
        """Measures a batch that ends now; the gap before it counts if there was work for all runs throughout.

        Args:
            run: The batch.
            began_s: Monotonic time at which the batch began.
            busy_since_s: Monotonic time at which the previous batch of the thread ended, if there was work since then.

        Returns:
            The time of the end, if there is work for all runs; otherwise None.
        """
        now_s, n_windows = time.monotonic(), len(run.batch)
        gap_s = None if busy_since_s is None else began_s - busy_since_s
        with self._changed:
            batch_s = (now_s - began_s) / (1 if run.is_alone else self._n_runs)
            self.counts.add(n_windows, batch_s)
            if self._n_runs == 1 or not run.is_alone:  # a batch with all threads says nothing about those beside others
                gap_s = None if gap_s is None else gap_s / self._n_runs
                self._window_time.measure(n_windows, batch_s, gap_s)
            n_known = self._backlog.n_expected + self._turns.n_waiting
        return now_s if n_known >= self.parallel_windows else None

    def _finish(self, run: _Run, n_failed: int = 0) -> None:
        with self._changed:
            self.counts.failed += n_failed
            self._turns.finished(run.batch)
            self._n_running -= 1
            if run.is_alone:
                self._is_alone = False
                self._changed.notify_all()  # windows may have come for which no thread was allowed to run

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            waiting: list[Future[Any]] = [result for _, result in self._tasks]
            waiting += [window.embeddings for window in self._turns.clear()]
            self._tasks.clear()
            self._changed.notify_all()
        for future in waiting:
            future.set_exception(EngineStopped())


def _batch_of(windows: list[PendingWindow]) -> Float32:
    """The samples of windows, shape (B, N); a single window is not copied."""
    return windows[0].samples[None] if len(windows) == 1 else np.stack([window.samples for window in windows])


def _run_task(task: Callable[[], Any], result: Future[Any]) -> None:
    try:
        result.set_result(task())
    except Exception as error:  # noqa: BLE001 - the caller of `run` gets the exception
        result.set_exception(error)
