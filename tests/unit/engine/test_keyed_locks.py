import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.engine.keyed_locks import KeyedLocks
from tests.waiting import PATIENCE_S


def _never() -> None:
    pass


def test_one_thread_at_a_time_holds_a_key_and_nothing_is_left_behind() -> None:
    locks, inside, most = KeyedLocks(), [0], [0]

    def work(_: int) -> None:
        with locks.hold("clip", _never):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    assert most == [1]
    assert locks._entries == {}


def test_different_keys_do_not_block_each_other() -> None:
    locks, done = KeyedLocks(), threading.Event()

    def work() -> None:
        with locks.hold("other", _never):
            done.set()

    with locks.hold("one", _never):
        thread = threading.Thread(target=work)
        thread.start()
        assert done.wait(PATIENCE_S)
        thread.join()


def test_an_exception_of_check_ends_the_wait() -> None:
    locks = KeyedLocks()

    def give_up() -> None:
        raise TimeoutError("enough")

    def work() -> None:
        with locks.hold("clip", give_up):
            pytest.fail("the lock was acquired")

    with locks.hold("clip", _never), ThreadPoolExecutor(1) as pool, pytest.raises(TimeoutError, match="enough"):
        pool.submit(work).result(PATIENCE_S)
    assert locks._entries == {}
