import threading
import time

from service.engine.caching.background import Background


def test_it_is_done_in_order_and_all_of_it_before_the_end() -> None:
    done: list[int] = []
    background = Background("test", limit=100)
    assert all(background.offer(lambda number=number: done.append(number)) for number in range(100))
    background.close(within_s=10)
    assert done == list(range(100))


def test_what_does_not_fit_is_dropped_until_there_is_room() -> None:
    release, began, done = threading.Event(), threading.Event(), threading.Event()
    background = Background("test", limit=2)
    assert background.offer(lambda: (began.set(), release.wait()))
    assert began.wait(10)
    assert background.offer(done.set)
    assert not background.offer(done.set)
    release.set()
    assert done.wait(10)
    background.close(within_s=10)


def test_what_fails_leaves_room_behind() -> None:
    background = Background("test", limit=1)
    for _ in range(3):
        failed = threading.Event()

        def fail(failed: threading.Event = failed) -> None:
            failed.set()
            raise RuntimeError

        while not background.offer(fail):
            time.sleep(0.001)
        assert failed.wait(10)
    background.close(within_s=10)


def test_the_end_does_not_wait_for_longer_than_it_may() -> None:
    began, release, done = threading.Event(), threading.Event(), threading.Event()
    background = Background("test", limit=3)
    background.offer(lambda: (began.set(), release.wait()))
    background.offer(done.set)
    assert began.wait(10)
    background.close(within_s=0.01)
    release.set()
    assert not done.wait(0.05)
