import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from service.core.errors import DeadlineExceeded, EngineStopped
from service.engine.batching import PendingWindow, WindowBatcher
from service.engine.call import Call, CallAbandoned
from service.engine.sessions import DeviceLost

SOON_S = 5.0


class FakeAudioEncoder:
    """Doubles its input, records its batches, and blocks while `may_continue` is not set."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.failure: BaseException | None = None
        self.entered, self.may_continue = threading.Semaphore(0), threading.Event()
        self.may_continue.set()

    def embed(self, windows: np.ndarray) -> np.ndarray:
        self.batches.append(windows[:, 0].tolist())
        self.entered.release()
        assert self.may_continue.wait(SOON_S)
        if self.failure:
            raise self.failure
        return windows[:, :, None] * 2  # (B, 2, 1)


class Bench:
    def __init__(self, max_windows: int) -> None:
        self.encoder, self.device_errors = FakeAudioEncoder(), list[BaseException]()
        self.batcher = WindowBatcher(self.encoder.embed, max_windows, self.device_errors.append)

    def block(self) -> PendingWindow:
        """Submits a window that the audio encoder works on until `may_continue` is set."""
        self.encoder.may_continue.clear()
        blocking = self.submit(Call(), 0)
        assert self.encoder.entered.acquire(timeout=SOON_S)
        return blocking

    def submit(self, call: Call, value: float) -> PendingWindow:
        return self.batcher.submit(call, np.full(2, value, np.float32))


@pytest.fixture(params=[2])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.encoder.may_continue.set()
    bench.batcher.close()


def test_each_window_gets_the_embeddings_of_its_samples(bench: Bench) -> None:
    windows = [bench.submit(Call(), value) for value in range(7)]
    for value, window in enumerate(windows):
        np.testing.assert_array_equal(window.wait(), np.full((2, 1), 2 * value))


def test_the_next_batch_forms_while_one_runs(bench: Bench) -> None:
    bench.block()
    waiting = [bench.submit(Call(), value) for value in (1, 2, 3)]
    bench.encoder.may_continue.set()
    for window in waiting:
        window.wait()
    assert bench.encoder.batches == [[0], [1, 2], [3]]
    counts = bench.batcher.counts
    assert (counts.batches, counts.windows, counts.by_size[:2]) == (3, 4, [2, 1])
    assert 0 < counts.seconds < SOON_S


def test_calls_take_turns_so_that_a_long_clip_delays_a_short_one_by_one_batch(bench: Bench) -> None:
    bench.block()
    long, short = Call(), Call()
    windows = [bench.submit(long, 10 + i) for i in range(6)]
    windows.append(bench.submit(short, 1))
    bench.encoder.may_continue.set()
    for window in windows:
        window.wait()
    assert bench.encoder.batches == [[0], [10, 1], [11, 12], [13, 14], [15]]


def test_windows_of_abandoned_and_late_calls_are_dropped_and_counted(bench: Bench) -> None:
    bench.block()
    abandoned, late, wanted = Call(), Call(timeout_s=0.01), Call()
    dropped = [bench.submit(abandoned, 1), bench.submit(abandoned, 2), bench.submit(late, 3)]
    kept = bench.submit(wanted, 4)
    abandoned.abandon()
    time.sleep(0.02)  # until the deadline has passed
    bench.encoder.may_continue.set()
    kept.wait()
    assert bench.encoder.batches == [[0], [4]]
    assert bench.batcher.counts.dropped == 3
    for window, reason in zip(dropped, (CallAbandoned, CallAbandoned, DeadlineExceeded), strict=True):
        with pytest.raises(reason):
            window.wait()


def test_a_deadline_is_kept_while_the_audio_encoder_hangs(bench: Bench) -> None:
    bench.block()
    with pytest.raises(DeadlineExceeded, match=r"the request took more than 0.05 s \(EARMARK_REQUEST_TIMEOUT_S\)"):
        bench.submit(Call(timeout_s=0.05), 1).wait()


def test_a_failed_batch_fails_only_the_windows_in_it(bench: Bench) -> None:
    bench.encoder.failure = RuntimeError("bad batch")
    with pytest.raises(RuntimeError, match="bad batch"):
        bench.submit(Call(), 1).wait()
    bench.encoder.failure = None
    bench.submit(Call(), 2).wait()
    assert (bench.batcher.counts.failed, bench.batcher.counts.batches, bench.device_errors) == (1, 1, [])


def test_a_lost_device_stops_the_batcher_and_is_reported_once(bench: Bench) -> None:
    bench.block()
    waiting = [bench.submit(Call(), value) for value in (1, 2, 3)]
    bench.encoder.failure = DeviceLost("gone")
    bench.encoder.may_continue.set()
    for window in waiting:
        with pytest.raises(EngineStopped):
            window.wait()
    with pytest.raises(EngineStopped):
        bench.submit(Call(), 4)
    with pytest.raises(EngineStopped):
        bench.batcher.run(lambda: None)
    bench.batcher.close()
    assert [str(error) for error in bench.device_errors] == ["gone"]


def test_tasks_run_on_the_batchers_thread_before_the_next_batch(bench: Bench) -> None:
    thread = bench.batcher.run(threading.current_thread)
    assert thread.name == "audio-encoder"
    with pytest.raises(ZeroDivisionError):
        bench.batcher.run(lambda: 1 // 0)
    bench.submit(Call(), 1).wait()


def test_closing_fails_the_windows_that_wait(bench: Bench) -> None:
    blocking = bench.block()
    waiting = [bench.submit(Call(), 1), bench.submit(Call(), 2)]
    closing = threading.Thread(target=bench.batcher.close)
    closing.start()
    for window in waiting:
        with pytest.raises(EngineStopped):
            window.wait()
    bench.encoder.may_continue.set()
    closing.join(SOON_S)
    blocking.wait()
    assert bench.device_errors == []


def test_time_is_counted_to_the_queue_and_to_inference(bench: Bench) -> None:
    bench.block()
    call = Call()
    window = bench.submit(call, 1)
    threading.Timer(0.05, bench.encoder.may_continue.set).start()
    began = time.perf_counter()
    window.wait()
    whole = time.perf_counter() - began
    assert call.stage_s["queue"] >= 0.04
    assert call.stage_s["queue"] + call.stage_s["inference"] == pytest.approx(whole, abs=0.01)


def test_the_backlog_grows_with_the_queue(bench: Bench) -> None:
    assert (bench.batcher.queued_windows, bench.batcher.backlog_s) == (0, 0)
    bench.block()
    for value in range(4):
        bench.submit(Call(), value)
    assert bench.batcher.queued_windows == 5
    assert bench.batcher.backlog_s > 0


def test_the_backlog_includes_windows_that_calls_will_submit(bench: Bench) -> None:
    bench.submit(Call(), 1).wait()
    assert bench.batcher.backlog_s == 0
    call, other = Call(), Call()
    with bench.batcher.expecting(call, 3), bench.batcher.expecting(other, 10):
        window_s = bench.batcher.backlog_s / 13
        bench.block()
        for value in range(5):  # two more than expected
            bench.submit(call, value)
        assert bench.batcher.queued_windows == 6
        assert bench.batcher.backlog_s == pytest.approx(16 * window_s)
    assert bench.batcher.backlog_s == pytest.approx(6 * window_s)


def test_the_first_batch_decides_the_time_of_a_window(bench: Bench) -> None:
    bench.block()
    threading.Timer(0.5, bench.encoder.may_continue.set).start()
    bench.submit(Call(), 1).wait()
    with bench.batcher.expecting(Call(), 100):
        assert bench.batcher.backlog_s > 20
