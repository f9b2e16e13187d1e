"""How a server is asked again: which failures pass, how long to wait, and when to give up."""

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
    """A server could not be asked, or not now; what was reached is kept, and a later run goes on from there."""


def retry_after_s(response: httpx.Response) -> float | None:
    """How long the server asks to wait, from `Retry-After` as seconds or as a date (RFC 9110, 10.2.3)."""
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
class Patience:
    """How often is asked, and the bounds of the waits between, which grow exponentially and at random.

    A server that asks for a longer wait than `longest_s` ends the run instead.
    """

    attempts: int = 6
    first_s: float = 1.0
    longest_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep

    def ask(self, call: Callable[[], T]) -> T:
        """The result of `call`, which raises httpx's errors, asked again while these are such as pass.

        Raises:
            ServerUnavailableError: it failed as often as is allowed, or for good.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.attempts),
            wait=self._wait_s,
            retry=retry_if_exception(self._passes),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(call)
        except httpx.HTTPStatusError as error:
            response = error.response
            asked = f", Retry-After: {response.headers['Retry-After']}" if "Retry-After" in response.headers else ""
            url = response.request.url
            raise ServerUnavailableError(f"{url}: HTTP {response.status_code}{asked}: {response.text[:300]}") from error
        except httpx.RequestError as error:
            raise ServerUnavailableError(f"{error.request.url}: {type(error).__name__} {error}".rstrip()) from error

    def _passes(self, error: BaseException) -> bool:
        if not isinstance(error, httpx.HTTPStatusError):
            return isinstance(error, httpx.TransportError)
        status = error.response.status_code
        return (status in (408, 429) or status >= 500) and (retry_after_s(error.response) or 0) <= self.longest_s

    def _wait_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = retry_after_s(error.response) if isinstance(error, httpx.HTTPStatusError) else None
        return wait_random_exponential(self.first_s, self.longest_s)(state) if asked_s is None else asked_s


def checked(response: httpx.Response) -> httpx.Response:
    """The response, if it is a success; one whose body is still to come is read first, for the error's message.

    Raises:
        httpx.HTTPStatusError: it is not.
    """
    if response.is_error:
        response.read()
    return response.raise_for_status()
