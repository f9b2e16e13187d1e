import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.errors import DeadlineExceeded, EngineStopped
from service.engine.batching import WindowBatcher
from service.engine.call import Call, CallAbandoned
from service.engine.kept_core import KeptCore
from service.engine.pending_window import PendingWindow
from service.engine.sessions import DeviceLost
from tests.waiting import PATIENCE_S


class FakeAudioEncoder:
    """Doubles its input, records its batches, and blocks while `may_continue` is not set."""

    def __init__(self, max_windows: int = 2, n_runs: int = 1) -> None:
        self.max_windows, self.n_runs = max_windows, n_runs
        self.batches: list[list[float]] = []
        self.alone: list[float] = []
        self.failure: BaseException | None = None
        self.entered, self.may_continue = threading.Semaphore(0), threading.Event()
        self.may_continue.set()

    def embed(self, windows: np.ndarray) -> np.ndarray:
        self.alone += windows[:, 0].tolist()
        return self.embed_beside(windows)

    def embed_beside(self, windows: np.ndarray) -> np.ndarray:
        self.batches.append(windows[:, 0].tolist())
        self.entered.release()
        assert self.may_continue.wait(PATIENCE_S)
        if self.failure:
            raise self.failure
        return windows[:, :, None] * 2  # (B, 2, 1)


class Bench:
    def __init__(self, max_windows: int = 2, n_runs: int = 1, keep_s: float = 0) -> None:
        self.encoder, self.device_errors = FakeAudioEncoder(max_windows, n_runs), list[BaseException]()
        self.batcher = WindowBatcher(self.encoder, self.device_errors.append, keep_s)

    def block(self) -> PendingWindow:
        """Submits a window that the audio encoder works on until `may_continue` is set."""
        self.encoder.may_continue.clear()
        blocking = self.submit(Call(), 0)
        assert self.encoder.entered.acquire(timeout=PATIENCE_S)
        return blocking

    def submit(self, call: Call, value: float) -> PendingWindow:
        return self.batcher.submit(call, np.full(2, value, np.float32))


@pytest.fixture
def bench() -> Iterator[Bench]:
    with opened(Bench()) as bench:
        yield bench


@pytest.fixture
def cores() -> Iterator[Bench]:
    """A bench as on a CPU with two cores."""
    with opened(Bench(max_windows=1, n_runs=2)) as bench:
        yield bench


@contextmanager
def opened(bench: Bench) -> Iterator[Bench]:
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
    assert 0 < counts.seconds < PATIENCE_S


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
    assert thread.name == "audio-encoder-0"
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
    closing.join(PATIENCE_S)
    blocking.wait()
    assert bench.device_errors == []


def test_time_is_counted_to_the_queue_and_to_inference(bench: Bench) -> None:
    bench.block()
    call, released_s = Call(), list[float]()

    def release() -> None:
        released_s.append(time.monotonic())
        bench.encoder.may_continue.set()

    window = bench.submit(call, 1)
    threading.Timer(0.3, release).start()
    began_s = time.monotonic()
    window.wait()
    whole_s = time.monotonic() - began_s
    assert released_s[0] - began_s - 0.2 < call.stage_s["queue"]
    assert whole_s - 0.2 < call.stage_s["queue"] + call.stage_s["inference"] <= whole_s


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


def test_a_lone_window_gets_all_threads(cores: Bench) -> None:
    for value in range(3):
        cores.submit(Call(), value).wait()
    assert cores.encoder.alone == [0, 1, 2]


def test_a_window_waits_while_another_has_all_threads_and_then_every_core_runs_one(cores: Bench) -> None:
    cores.block()
    waiting = [cores.submit(Call(), value) for value in (1, 2, 3)]
    assert not cores.encoder.entered.acquire(timeout=0.05)
    cores.encoder.may_continue.set()
    for window in waiting:
        window.wait()
    assert set(cores.encoder.alone) <= {0, 3}  # the last one is alone if the others are done
    assert sorted(cores.encoder.batches) == [[0], [1], [2], [3]]


def test_two_windows_run_at_the_same_time() -> None:
    met = threading.Barrier(2, timeout=PATIENCE_S)

    class Meeting(FakeAudioEncoder):
        def embed_beside(self, windows: np.ndarray) -> np.ndarray:
            if windows[0, 0] > 0:
                met.wait()
            return super().embed_beside(windows)

    encoder = Meeting(max_windows=1, n_runs=2)
    batcher = WindowBatcher(encoder, pytest.fail)
    encoder.may_continue.clear()
    windows = [batcher.submit(Call(), np.full(2, 0, np.float32))]
    assert encoder.entered.acquire(timeout=PATIENCE_S)
    windows += [batcher.submit(Call(), np.full(2, value, np.float32)) for value in (1, 2)]
    encoder.may_continue.set()
    for window in windows:
        window.wait()
    batcher.close()


def test_a_long_clip_has_one_core_while_a_short_one_waits(cores: Bench) -> None:
    cores.block()
    long, short = Call(), Call()
    windows = [cores.submit(long, 10 + i) for i in range(4)]
    windows += [cores.submit(short, 1)]
    cores.encoder.may_continue.set()
    for window in windows:
        window.wait()
    begun = [value for batch in cores.encoder.batches for value in batch]
    assert 1 in begun[1:3]  # the short clip begins beside the first window of the long clip


def test_long_clips_leave_a_core_free_for_a_while_after_a_short_one() -> None:
    with opened(Bench(max_windows=1, n_runs=2, keep_s=3600)) as cores:
        long = Call()
        with cores.batcher.expecting(long, 100):
            cores.submit(Call(), 1).wait()
            cores.encoder.may_continue.clear()
            windows = [cores.submit(long, 10 + i) for i in range(3)]
            assert cores.encoder.entered.acquire(timeout=PATIENCE_S)  # of the short clip
            assert cores.encoder.entered.acquire(timeout=PATIENCE_S)
            assert not cores.encoder.entered.acquire(timeout=0.05)  # the other core is kept free
            short = cores.submit(Call(), 2)
            assert cores.encoder.entered.acquire(timeout=PATIENCE_S)
            cores.encoder.may_continue.set()
            for window in (*windows, short):
                window.wait()
    assert cores.encoder.batches[:3] == [[1], [10], [2]]
    assert cores.encoder.alone == [1]


def test_long_clips_get_all_cores_again_after_a_while(cores: Bench) -> None:
    times_s, long = [0.0], Call()
    cores.batcher._kept_core = KeptCore(2, keep_s=0.05, now_s=lambda: times_s[-1])
    with cores.batcher.expecting(long, 100):
        cores.submit(Call(), 1).wait()
        assert cores.encoder.entered.acquire(timeout=PATIENCE_S)
        cores.encoder.may_continue.clear()
        windows = [cores.submit(long, 10 + i) for i in range(3)]
        assert cores.encoder.entered.acquire(timeout=PATIENCE_S)
        assert not cores.encoder.entered.acquire(timeout=0.1)
        times_s.append(0.06)
        assert cores.encoder.entered.acquire(timeout=PATIENCE_S)  # though nothing else happens
        cores.encoder.may_continue.set()
        for window in windows:
            window.wait()


def test_a_device_that_is_lost_in_one_run_stops_all_threads_and_is_reported_once(cores: Bench) -> None:
    cores.block()
    waiting = [cores.submit(Call(), value) for value in (1, 2, 3, 4)]
    cores.encoder.failure = DeviceLost("gone")
    cores.encoder.may_continue.set()
    for window in waiting:
        with pytest.raises((DeviceLost, EngineStopped)):
            window.wait()
    cores.batcher.close()
    assert [str(error) for error in cores.device_errors] == ["gone"]


def test_closing_while_a_window_has_all_threads_fails_the_windows_that_wait(cores: Bench) -> None:
    blocking = cores.block()
    waiting = [cores.submit(Call(), value) for value in (1, 2, 3)]
    closing = threading.Thread(target=cores.batcher.close)
    closing.start()
    for window in waiting:
        with pytest.raises(EngineStopped):
            window.wait()
    cores.encoder.may_continue.set()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    blocking.wait()


def test_a_failed_run_frees_its_core(cores: Bench) -> None:
    cores.encoder.failure = RuntimeError("bad window")
    for value in range(3):
        with pytest.raises(RuntimeError, match="bad window"):
            cores.submit(Call(), value).wait()
    cores.encoder.failure = None
    for window in [cores.submit(Call(), value) for value in range(4)]:
        window.wait()
    assert cores.batcher.counts.failed == 3
    assert cores.batcher.queued_windows == 0


@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30),
)
@settings(max_examples=30)
def test_every_window_is_embedded_once_whatever_comes_beside_it(
    max_windows: int, n_runs: int, submissions: list[tuple[int, bool]]
) -> None:
    with opened(Bench(max_windows, n_runs)) as bench:
        calls, windows = [Call() for _ in range(4)], list[PendingWindow]()
        for value, (number, waits) in enumerate(submissions):
            windows.append(bench.submit(calls[number], value))
            if waits:
                windows[-1].wait()
        for value, window in enumerate(windows):
            np.testing.assert_array_equal(window.wait(), np.full((2, 1), 2 * value))
        assert sorted(value for batch in bench.encoder.batches for value in batch) == list(range(len(windows)))
        assert max(map(len, bench.encoder.batches), default=0) <= max_windows
        assert (bench.batcher.counts.windows, bench.batcher.queued_windows) == (len(windows), 0)
