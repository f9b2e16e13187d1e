from concurrent.futures import ThreadPoolExecutor

import pytest

from service.engine.caching.breaker import CircuitBreaker


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(failures=2, pause_s=5, clock=clock)


def test_failures_in_a_row_open_the_breaker(breaker: CircuitBreaker) -> None:
    assert [breaker.failed(), breaker.succeeded(), breaker.failed()] == [False, False, False]
    assert breaker.closed
    assert breaker.allows()
    assert breaker.failed()
    assert not breaker.closed
    assert not breaker.allows()


def test_after_the_pause_one_trial_at_a_time_is_allowed(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.failed(), breaker.failed()
    clock.now_s = 5
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: breaker.allows(), range(64))) == 1
    assert not breaker.closed


def test_a_failed_trial_starts_another_pause(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.failed(), breaker.failed()
    clock.now_s = 5
    assert breaker.allows()
    assert not breaker.failed()
    clock.now_s = 9.9
    assert not breaker.allows()
    clock.now_s = 10
    assert breaker.allows()


def test_the_state_is_half_open_from_the_end_of_the_pause_to_the_outcome_of_the_trial(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    states = [breaker.state]
    for now_s, event in ((0, breaker.failed), (0, breaker.failed), (5, breaker.allows), (5, breaker.failed)):
        clock.now_s = now_s
        event()
        states.append(breaker.state)
    clock.now_s = 10
    states.append(breaker.state)
    breaker.succeeded()
    assert [*states, breaker.state] == ["closed", "closed", "open", "half_open", "open", "half_open", "closed"]


def test_a_successful_trial_closes_the_breaker(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.failed(), breaker.failed()
    clock.now_s = 5
    assert breaker.allows()
    assert breaker.succeeded()
    assert breaker.closed
    assert [breaker.allows(), breaker.allows()] == [True, True]
    assert not breaker.failed()
