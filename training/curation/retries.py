"""Retries of HTTP requests: which failures are retried, how long to wait before a retry, and when to give up."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

T = TypeVar("T")


class ServerUnavailableError(Exception):
    """A server does not answer, or refuses to answer now. Results so far are on disk, and a later run continues from them."""


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds to wait according to the header `Retry-After`, which holds seconds or a date (RFC 9110, section 10.2.3).

    None if the header is missing or has another form.
    """
    value = response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value).astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number of attempts, and the waits between them.

    Timeouts, connection failures and the HTTP statuses 408, 429 and 5xx are retried. The wait is random, with a bound
    that grows exponentially, unless the server states a wait in `Retry-After`.

    Attributes:
        attempts: largest number of attempts.
        first_wait_s: bound of the first wait, in seconds.
        max_wait_s: largest wait, in seconds. A request is not repeated if the server states a longer wait.
        sleep: waits for a number of seconds.
    """

    attempts: int = 6
    first_wait_s: float = 1.0
    max_wait_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep

    def run(self, call: Callable[[], T]) -> T:
        """Runs `call`, which raises errors of httpx, and repeats it after failures that may be temporary.

        Raises:
            ServerUnavailableError: The last attempt failed, or the failure is permanent.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.attempts),
            wait=self._wait_s,
            retry=retry_if_exception(self._is_temporary),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(call)
        except httpx.HTTPStatusError as error:
            response = error.response
            wait = f", Retry-After: {response.headers['Retry-After']}" if "Retry-After" in response.headers else ""
            url = response.request.url
            raise ServerUnavailableError(f"{url}: HTTP {response.status_code}{wait}: {response.text[:300]}") from error
        except httpx.RequestError as error:
            raise ServerUnavailableError(f"{error.request.url}: {type(error).__name__} {error}".rstrip()) from error

    def _is_temporary(self, error: BaseException) -> bool:
        if not isinstance(error, httpx.HTTPStatusError):
            return isinstance(error, httpx.TransportError)
        status = error.response.status_code
        return (status in (408, 429) or status >= 500) and (retry_after_s(error.response) or 0) <= self.max_wait_s

    def _wait_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        stated_s = retry_after_s(error.response) if isinstance(error, httpx.HTTPStatusError) else None
        return wait_random_exponential(self.first_wait_s, self.max_wait_s)(state) if stated_s is None else stated_s


def require_success(response: httpx.Response) -> httpx.Response:
    """Returns the response if its status is a success.

    The body of a failed streaming response is read first, so that the error message can quote it.

    Raises:
        httpx.HTTPStatusError: The status is not a success.
    """
    if response.is_error:
        response.read()
    return response.raise_for_status()
