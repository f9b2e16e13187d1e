import threading
import time

from service.engine.caching.background import Background
from tests.waiting import PATIENCE_S


def test_tasks_run_in_order_and_closing_waits_for_them() -> None:
    done: list[int] = []
    background = Background("test", limit=100)
    assert all(background.offer(lambda number=number: done.append(number)) for number in range(100))
    background.close(within_s=PATIENCE_S)
    assert done == list(range(100))


def test_tasks_are_refused_while_the_queue_is_full() -> None:
    release, began, done = threading.Event(), threading.Event(), threading.Event()
    background = Background("test", limit=2)
    assert background.offer(lambda: (began.set(), release.wait()))
    assert began.wait(PATIENCE_S)
    assert background.offer(done.set)
    assert not background.offer(done.set)
    release.set()
    assert done.wait(PATIENCE_S)
    background.close(within_s=PATIENCE_S)


def test_a_failed_task_frees_its_place_in_the_queue() -> None:
    background = Background("test", limit=1)
    for _ in range(3):
        failed = threading.Event()

        def fail(failed: threading.Event = failed) -> None:
            failed.set()
            raise RuntimeError

        while not background.offer(fail):
            time.sleep(0.001)
        assert failed.wait(PATIENCE_S)
    background.close(within_s=PATIENCE_S)


def test_closing_drops_the_tasks_that_do_not_run_in_time() -> None:
    began, release, done = threading.Event(), threading.Event(), threading.Event()
    background = Background("test", limit=3)
    background.offer(lambda: (began.set(), release.wait()))
    background.offer(done.set)
    assert began.wait(PATIENCE_S)
    background.close(within_s=0.01)
    release.set()
    assert not done.wait(0.05)
