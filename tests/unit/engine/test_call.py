import threading
import time

import pytest

from service.core.errors import DeadlineExceeded
from service.engine.call import STAGES, Call, CallAbandoned


def test_a_call_without_a_deadline_is_wanted_until_it_is_abandoned() -> None:
    call = Call()
    call.check()
    assert (call.remaining_s, call.is_wanted) == (None, True)
    abandoning = threading.Thread(target=call.abandon)
    abandoning.start()
    abandoning.join()
    assert not call.is_wanted
    with pytest.raises(CallAbandoned):
        call.check()


def test_a_call_is_wanted_until_its_deadline() -> None:
    call = Call(timeout_s=60)
    call.check()
    assert call.is_wanted
    assert call.remaining_s is not None
    assert 0 < call.remaining_s <= 60


def test_after_the_deadline_no_time_remains_and_check_names_the_timeout() -> None:
    call = Call(timeout_s=0.001)
    time.sleep(0.002)
    assert (call.remaining_s, call.is_wanted) == (0, False)
    with pytest.raises(DeadlineExceeded, match=r"the request took more than 0.001 s"):
        call.check()


def test_abandonment_takes_precedence_over_the_deadline() -> None:
    call = Call(timeout_s=0)
    call.abandon()
    with pytest.raises(CallAbandoned):
        call.check()


def test_stages_start_at_zero_and_their_times_add_up() -> None:
    call, began_s = Call(), time.monotonic()
    assert call.stage_s == dict.fromkeys(STAGES, 0.0)
    for _ in range(2):
        with call.stage("decode"):
            time.sleep(0.01)
    assert 0.02 <= call.stage_s["decode"] <= time.monotonic() - began_s
    assert all(call.stage_s[name] == 0 for name in STAGES if name != "decode")


def test_the_time_of_a_stage_that_fails_is_counted() -> None:
    def fail() -> None:
        time.sleep(0.01)
        raise RuntimeError("failed")

    call = Call()
    with pytest.raises(RuntimeError, match="failed"), call.stage("post"):
        fail()
    assert call.stage_s["post"] >= 0.01


def test_an_unknown_stage_is_an_error() -> None:
    with pytest.raises(KeyError), Call().stage("upload"):
        pass


def test_the_times_of_a_stage_are_its_first_beginning_and_its_last_end() -> None:
    call = Call()
    call.record("decode", 10.0, 11.0)
    call.record("queue", 11.0, 11.5)
    call.record("decode", 12.0, 14.0)
    assert call.stage_times == {"decode": (10.0, 14.0), "queue": (11.0, 11.5)}
    assert (call.stage_s["decode"], call.stage_s["queue"]) == (3.0, 0.5)


def test_stages_are_timed_by_the_monotonic_clock() -> None:
    call, before_s = Call(), time.monotonic()
    with call.stage("post"):
        pass
    began_s, ended_s = call.stage_times["post"]
    assert before_s <= began_s <= ended_s <= time.monotonic()
