import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api import admission as admission_module
from service.api.admission import Admission
from service.core.errors import ServiceEnding, TooManyAnswerBytes, TooManyBytes, TooManyConnections, TooManyRequests
from service.core.request_errors import UploadTooSlow


def admission(
    max_requests: int = 2, max_bytes: int = 100, backlog_s: float = 0.0, shutting_down: bool = False
) -> Admission:
    return Admission(max_requests, max_bytes, backlog_s=lambda: backlog_s, is_shutting_down=lambda: shutting_down)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(admission_module, "time", clock)
    return clock


def test_a_request_releases_its_bytes_however_it_ends() -> None:
    entry = admission()
    for _ in range(3):
        with pytest.raises(TooManyBytes), entry.receive() as received:
            entry.count(received, 101)
        with entry.receive() as received:
            entry.count(received, 100)


def test_no_more_requests_than_the_limit_are_worked_on() -> None:
    entry = admission(max_requests=2, backlog_s=7.2)
    with entry.work(), entry.work():
        with pytest.raises(TooManyRequests) as refused, entry.work():
            pytest.fail("worked on")
        assert (refused.value.limit, refused.value.retry_after_s) == (2, 8)
        with pytest.raises(TooManyRequests), entry.receive():
            pytest.fail("received in vain")
    assert (entry.refused["requests"], sum(entry.refused.values())) == (2, 2)
    with entry.receive(), entry.work():
        pass


def test_requests_that_are_being_received_take_no_place() -> None:
    entry = admission(max_requests=1)
    with entry.receive(), entry.receive(), entry.receive(), entry.work():
        pass
    assert sum(entry.refused.values()) == 0


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
    assert entry.refused == dict.fromkeys(["requests", "bytes", "ending", "answers", "connections", "slow"], 0)
    for error in (UploadTooSlow(1, 21.0, 1024), TooManyAnswerBytes(1, 1)):
        with pytest.raises(type(error)), entry.receive():
            raise error
    assert isinstance(entry.refuse_connection(), TooManyConnections)
    assert {reason for reason, count in entry.refused.items() if count} == {"slow", "answers", "connections"}


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
        with entry.receive(), entry.work():
            assert entry.refusing_for_s == 0


def test_nobody_is_refused_once_nothing_is_in_progress(clock: Clock) -> None:
    entry = admission(max_requests=1)
    with entry.work():
        with pytest.raises(TooManyRequests), entry.receive():
            pytest.fail("received")
        clock.now_s += 60
        assert entry.refusing_for_s == 60
    assert entry.refusing_for_s == 0


@given(st.lists(st.lists(st.integers(0, 60), max_size=4), max_size=8))
def test_counted_bytes_never_exceed_the_limit_and_are_released(requests: list[list[int]]) -> None:
    entry = admission(max_requests=100, max_bytes=100)
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
