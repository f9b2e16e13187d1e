from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api import admission as admission_module
from service.api import return_times as return_times_module
from service.api.admission import Admission, AdmissionLimits
from service.api.demand import DemandEstimate
from service.api.lanes import Lanes
from service.core.errors import (
    ServiceEnding,
    TooManyAnswerBytes,
    TooManyBytes,
    TooManyConnections,
    TooManyRequests,
    WaitTooLong,
)
from service.core.request_errors import UploadTooSlow
from tests.unit.api.fake_engine import FakeBatcher

UPLOAD_BYTES = 320_000


def admission(queue: FakeBatcher | None = None, shutting_down: bool = False, **limits: Any) -> Admission:
    defaults = {"max_wait_s": 30, "max_requests": 1000, "max_bytes": 10**9, "max_connections": 5}
    estimate = DemandEstimate(queue or FakeBatcher(), Lanes(parallel_windows=4))
    return Admission(AdmissionLimits(**(defaults | limits)), estimate, is_shutting_down=lambda: shutting_down)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (admission_module, return_times_module):
        monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_request_is_admitted_up_to_the_longest_wait_and_refused_beyond() -> None:
    queue = FakeBatcher()
    entry = admission(queue, max_wait_s=30)
    queue.ahead_s = 30.0
    with entry.receive(UPLOAD_BYTES) as received, entry.work(received, 1):
        pass
    queue.ahead_s = 30.1
    with pytest.raises(WaitTooLong) as refused, entry.receive(UPLOAD_BYTES):
        pytest.fail("received in vain")
    assert (refused.value.limit, refused.value.wait_s, refused.value.retry_after_s) == (30, 30.1, 16)
    with entry.receive() as received, pytest.raises(WaitTooLong), entry.work(received, 1):
        pytest.fail("worked on")
    assert (entry.refused["wait"], sum(entry.refused.values())) == (2, 2)


@pytest.mark.parametrize("n_windows", [1, 10_000])
def test_the_work_of_a_request_itself_never_refuses_it(n_windows: int) -> None:
    entry = admission(max_wait_s=1)
    with entry.receive(100 * UPLOAD_BYTES) as received, entry.work(received, n_windows):
        pass
    assert sum(entry.refused.values()) == 0


def test_a_known_clip_is_admitted_whatever_the_audio_encoder_has_to_do() -> None:
    queue = FakeBatcher()
    queue.ahead_s = 1000.0
    entry = admission(queue)
    with entry.receive(200) as received, entry.work(received, None):
        pass
    assert sum(entry.refused.values()) == 0


def test_no_more_requests_than_the_limit_are_admitted() -> None:
    entry = admission(max_requests=2)
    with entry.receive() as first, entry.receive() as second, entry.receive() as third:
        with entry.work(first, 1), entry.work(second, None):
            with pytest.raises(TooManyRequests) as refused, entry.work(third, 1):
                pytest.fail("worked on")
            assert refused.value.limit == 2
            with pytest.raises(TooManyRequests), entry.receive():
                pytest.fail("received in vain")
        assert (entry.refused["requests"], sum(entry.refused.values())) == (2, 2)
        with entry.work(third, 1):
            pass


def test_requests_that_are_being_received_take_no_place_and_are_no_wait() -> None:
    entry = admission(max_requests=1, max_wait_s=1)
    with entry.receive(10**8), entry.receive(10**8), entry.receive(UPLOAD_BYTES) as received, entry.work(received, 1):
        pass
    assert sum(entry.refused.values()) == 0


def test_requests_that_are_being_received_delay_the_return_of_refused_clients() -> None:
    queue = FakeBatcher()
    entry = admission(queue, max_requests=1)
    queue.window_s = 0.1
    with entry.receive(100 * UPLOAD_BYTES), entry.receive() as received, entry.work(received, 1):  # noqa: SIM117
        with pytest.raises(TooManyRequests) as refused, entry.receive():
            pytest.fail("received")
    assert refused.value.retry_after_s == 5  # half of 100 windows of 0.1 s


def test_a_request_releases_its_bytes_however_it_ends() -> None:
    entry = admission(max_bytes=100)
    for _ in range(3):
        with pytest.raises(TooManyBytes), entry.receive() as received:
            entry.count(received, 101)
        with entry.receive() as received:
            entry.count(received, 100)


def test_a_declared_size_reserves_nothing_and_is_refused_if_it_cannot_fit() -> None:
    entry = admission(max_bytes=100)
    with entry.receive(100), entry.receive(100) as second:
        entry.count(second, 40)
        with pytest.raises(TooManyBytes) as refused, entry.receive(61):
            pytest.fail("received")
        assert refused.value.retry_after_s == 1
        with entry.receive(60):
            pass
    assert entry.refused["bytes"] == 1


def test_no_request_is_received_during_the_shutdown() -> None:
    entry = admission(shutting_down=True)
    with pytest.raises(ServiceEnding), entry.receive():
        pytest.fail("received")
    assert entry.refused["ending"] == 1


def test_every_reason_is_counted_and_all_exist_from_the_start() -> None:
    entry = admission()
    reasons = ["wait", "requests", "bytes", "ending", "answers", "connections", "slow"]
    assert entry.refused == dict.fromkeys(reasons, 0)
    for error in (UploadTooSlow(1, 21.0, 1024), TooManyAnswerBytes(1, 1)):
        with pytest.raises(type(error)), entry.receive():
            raise error
    refused = entry.refuse_connection()
    assert isinstance(refused, TooManyConnections)
    assert refused.limit == 5
    assert {reason for reason, count in entry.refused.items() if count} == {"slow", "answers", "connections"}


@pytest.mark.parametrize("n_bytes", [0, 1000, UPLOAD_BYTES])  # a small body may be a short clip, or about a known clip
def test_refused_clients_are_sent_away_for_different_times(n_bytes: int) -> None:
    queue = FakeBatcher()
    queue.window_s = 1.0
    entry = admission(queue)
    times = [entry.refuse_connection(n_bytes).retry_after_s for _ in range(5)]
    assert times == [1, 3, 4, 6, 7]  # 1 + 0, 1.4, 2.8 ... rounded up


def test_the_time_for_which_everybody_is_refused_begins_with_a_refusal_and_ends_with_work(clock: Clock) -> None:
    entry = admission(max_bytes=100)
    with entry.receive() as holder:
        entry.count(holder, 100)
        assert entry.refusing_for_s == 0
        for _ in range(2):
            with pytest.raises(TooManyBytes), entry.receive(1):
                pytest.fail("received")
            clock.now_s += 7
        assert entry.refusing_for_s == 14
        with entry.receive() as received, entry.work(received, 1):
            assert entry.refusing_for_s == 0


def test_nobody_is_refused_once_nothing_is_in_progress(clock: Clock) -> None:
    entry = admission(max_requests=1)
    with entry.receive() as received, entry.work(received, 1):
        with pytest.raises(TooManyRequests), entry.receive():
            pytest.fail("received")
        clock.now_s += 60
        assert entry.refusing_for_s == 60
    assert entry.refusing_for_s == 0


def test_nobody_is_refused_once_the_wait_is_short_again_although_requests_are_in_progress(clock: Clock) -> None:
    queue = FakeBatcher()
    entry = admission(queue)
    with entry.receive() as received, entry.work(received, 1):
        queue.ahead_s = 31.0
        with pytest.raises(WaitTooLong), entry.receive(UPLOAD_BYTES):
            pytest.fail("received")
        clock.now_s += 11
        assert entry.refusing_for_s == 11
        queue.ahead_s = 29.0
        assert entry.refusing_for_s == 0
        queue.ahead_s = 31.0
        assert entry.refusing_for_s == 0  # until the next refusal


def test_old_refusals_for_connections_tell_nothing_about_now(clock: Clock) -> None:
    entry = admission()
    with entry.receive() as received, entry.work(received, 1):
        entry.refuse_connection()
        clock.now_s += 29
        entry.refuse_connection()
        clock.now_s += 29
        assert entry.refusing_for_s == 58
        clock.now_s += 2
        assert entry.refusing_for_s == 0


@given(st.lists(st.lists(st.integers(0, 60), max_size=4), max_size=8))
def test_counted_bytes_never_exceed_the_limit_and_are_released(requests: list[list[int]]) -> None:
    entry = admission(max_bytes=100)
    for pieces in requests:
        with entry.receive() as first, entry.receive() as second:
            for n_bytes in pieces:
                try:
                    entry.count(first, n_bytes)
                    entry.count(second, n_bytes)
                except TooManyBytes:
                    break
            assert first.n_bytes + second.n_bytes <= 100
    with entry.receive() as received:
        entry.count(received, 100)
