import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api import return_times as return_times_module
from service.api.return_times import ReturnTimes


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(return_times_module, "time", clock)
    return clock


def test_refused_clients_return_one_after_another_from_the_time_at_which_half_of_the_wait_is_over(clock: Clock) -> None:
    times = ReturnTimes(max_wait_s=30)
    assert [times.next_s(wait_s=30, work_s=2.5) for _ in range(4)] == [18, 21, 25, 28]  # 15 + 2.5 + 0, 3.5, 7, 10.5


def test_nobody_returns_while_the_rest_of_a_very_long_wait_would_still_be_refused(clock: Clock) -> None:
    times = ReturnTimes(max_wait_s=30)
    assert [times.next_s(wait_s=100, work_s=2.5) for _ in range(2)] == [73, 76]  # 100 - 30 + 2.5 + 0, 3.5


def test_clients_that_should_have_returned_do_not_count_as_work_ahead(clock: Clock) -> None:
    times = ReturnTimes(max_wait_s=30)
    for _ in range(3):
        times.next_s(wait_s=20, work_s=5)  # return after 15, 22 and 29 s
    clock.now_s += 23
    assert times.next_s(wait_s=20, work_s=1) == 18  # 10 + 1 + 7
    clock.now_s += 60
    assert times.next_s(wait_s=0, work_s=0) == 1


def test_more_work_than_the_longest_time_is_spread_over_its_second_half(clock: Clock) -> None:
    times = ReturnTimes(max_wait_s=1)
    late = [times.next_s(wait_s=1, work_s=1) for _ in range(1000)][30:]
    assert (min(late), max(late)) == (11, 20)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e3)), max_size=50))
def test_every_time_is_a_whole_number_from_1_to_the_longest(demands: list[tuple[float, float]]) -> None:
    times = ReturnTimes(max_wait_s=30)
    for wait_s, work_s in demands:
        assert 1 <= times.next_s(wait_s, work_s) <= 600


def test_after_many_refusals_the_memory_is_bounded(clock: Clock) -> None:
    times = ReturnTimes(max_wait_s=30)
    for _ in range(20_000):
        times.next_s(wait_s=30, work_s=0.02)
        clock.now_s += 0.001
    assert len(times._returns) < 620  # pyright: ignore[reportPrivateUsage] - no other way to see it


def test_threads_get_different_times() -> None:
    times, results = ReturnTimes(max_wait_s=30), list[int]()
    threads = [threading.Thread(target=lambda: results.append(times.next_s(0, 1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [1, 3, 4, 6, 7, 8, 10, 11]  # 1 + 0, 1.4, 2.8 ... rounded up
