from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from training.curation.retries import RetryPolicy, ServerUnavailableError, require_success, retry_after_s


def response(status: int, retry_after: str | None = None) -> httpx.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, headers=headers, text="slow down", request=httpx.Request("GET", "http://a/b"))


def answering(responses: Sequence[httpx.Response | Exception]) -> Callable[[], httpx.Response]:
    coming = iter(responses)

    def call() -> httpx.Response:
        result = next(coming)
        if isinstance(result, Exception):
            raise result
        return require_success(result)

    return call


TIMEOUT = httpx.ReadTimeout("timed out", request=httpx.Request("GET", "http://a/b"))


def test_temporary_failures_are_retried_after_growing_waits_or_the_stated_wait() -> None:
    waits: list[float] = []
    policy = RetryPolicy(attempts=5, first_wait_s=1, max_wait_s=60, sleep=waits.append)
    result = policy.run(answering([response(429, "7"), response(503), TIMEOUT, response(500, "x"), response(200)]))
    assert result.status_code == 200
    assert waits[0] == 7
    assert all(0 <= wait <= 2**i for i, wait in enumerate(waits[1:], start=1))


def test_it_gives_up_after_the_last_attempt() -> None:
    waits: list[float] = []
    with pytest.raises(ServerUnavailableError, match="http://a/b: HTTP 502: slow down"):
        RetryPolicy(attempts=3, sleep=waits.append).run(answering([response(502)] * 3))
    assert len(waits) == 2
    with pytest.raises(ServerUnavailableError, match="http://a/b: ReadTimeout timed out"):
        RetryPolicy(attempts=2, sleep=waits.append).run(answering([TIMEOUT] * 2))


@pytest.mark.parametrize(("status", "retry_after"), [(401, None), (404, None), (429, "3600")])
def test_a_permanent_failure_or_a_long_stated_wait_is_not_retried(status: int, retry_after: str | None) -> None:
    waits: list[float] = []
    with pytest.raises(ServerUnavailableError, match=f"HTTP {status}"):
        RetryPolicy(max_wait_s=60, sleep=waits.append).run(answering([response(status, retry_after)]))
    assert not waits


def test_retry_after_is_seconds_or_a_date() -> None:
    in_ten_minutes = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    assert retry_after_s(response(429, "1.5")) == 1.5
    assert retry_after_s(response(429, in_ten_minutes)) == pytest.approx(600, abs=100)
    assert retry_after_s(response(429, "Wed, 21 Oct 2015 07:28:00 GMT")) == 0
    assert retry_after_s(response(429, "soon")) is None
    assert retry_after_s(response(429)) is None
