import threading
import time

import pytest

from service.client.many import in_order
from tests.waiting import PATIENCE_S


def test_results_come_in_order_and_a_bounded_number_is_ahead() -> None:
    running, most, lock, together = 0, 0, threading.Lock(), threading.Barrier(5)

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001 * (number % 3))
        together.wait(PATIENCE_S)
        with lock:
            running -= 1
        return number

    assert list(in_order(work, range(100), 5)) == list(range(100))
    assert most == 5


def test_an_error_reaches_the_caller_and_ends_the_work() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise OSError("disk")
        return number

    results = in_order(work, range(10_000), 2)
    with pytest.raises(OSError, match="disk"):
        list(results)
    assert len(begun) < 100


def test_no_items_give_no_results() -> None:
    assert list(in_order(str, [], 3)) == []
