import threading
import time

from service.shutdown import Shutdown


def test_a_shutdown_has_not_begun_by_itself() -> None:
    shutdown = Shutdown()
    assert (shutdown.has_begun, shutdown.has_failed) == (False, False)


def test_a_shutdown_on_request_is_no_failure() -> None:
    shutdown = Shutdown()
    shutdown.begin()
    assert (shutdown.has_begun, shutdown.has_failed) == (True, False)


def test_a_failure_begins_the_shutdown_whatever_happened_before() -> None:
    for began_before in (False, True):
        shutdown = Shutdown()
        if began_before:
            shutdown.begin()
        shutdown.fail()
        shutdown.begin()
        assert (shutdown.has_begun, shutdown.has_failed) == (True, True)


def test_another_thread_may_begin_the_shutdown() -> None:
    shutdown = Shutdown()
    thread = threading.Thread(target=shutdown.begin)
    thread.start()
    thread.join()
    assert shutdown.has_begun


def test_the_elapsed_time_counts_from_the_first_beginning() -> None:
    shutdown, before_s = Shutdown(), time.monotonic()
    assert shutdown.elapsed_s == 0
    shutdown.begin()
    time.sleep(0.02)
    shutdown.fail()
    assert 0.02 <= shutdown.elapsed_s <= time.monotonic() - before_s
