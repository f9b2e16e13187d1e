"""Admission control: requests beyond the limits are refused at once, with the time after which to retry."""

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from service.core.errors import (
    EarmarkError,
    Overloaded,
    ServiceEnding,
    TooManyAnswerBytes,
    TooManyBytes,
    TooManyConnections,
    TooManyRequests,
)
from service.core.request_errors import RequestTooSlow

Refusal = TypeVar("Refusal", bound=EarmarkError)
_REASONS: dict[type[EarmarkError], str] = {
    TooManyRequests: "requests",
    TooManyBytes: "bytes",
    ServiceEnding: "ending",
    TooManyAnswerBytes: "answers",
    TooManyConnections: "connections",
    RequestTooSlow: "slow",
}


@dataclass(slots=True)
class ReceivedRequest:
    """A request that is being received, or was received and is being answered.

    Attributes:
        n_bytes: Bytes of its body that have arrived.
    """

    n_bytes: int = 0


class Admission:
    """Limits on concurrent requests and on the bytes of their uploads; used by the event loop's thread only.

    A request takes a place only when its body is complete and its work begins, so slow clients do not block others.
    While a body arrives, its bytes are counted.

    Args:
        max_requests: Maximum number of requests that are processed at the same time.
        max_bytes: Maximum total bytes of the uploads of all requests.
        backlog_s: Returns the estimated time to process the queued work, in seconds.
        is_shutting_down: Returns whether the process is shutting down.

    Attributes:
        refused: Number of refused requests by reason: "requests" (all places are taken), "bytes" (of uploads), "ending"
            (the process is shutting down), "answers" (bytes of answers), "connections", or "slow" (the upload).
    """

    def __init__(
        self, max_requests: int, max_bytes: int, backlog_s: Callable[[], float], is_shutting_down: Callable[[], bool]
    ) -> None:
        self.refused: dict[str, int] = dict.fromkeys(_REASONS.values(), 0)
        self._max_requests, self._max_bytes = max_requests, max_bytes
        self._backlog_s, self._is_shutting_down = backlog_s, is_shutting_down
        self._requests, self._bytes = 0, 0
        self._refusing_since_s: float | None = None

    @contextmanager
    def receive(self, declared_bytes: int = 0) -> Generator[ReceivedRequest]:
        """Counts a request while its body arrives and while it is answered; its bytes are released afterwards.

        Args:
            declared_bytes: Size of the body according to the client, which may be wrong; 0 if the client does not say.

        Raises:
            ServiceEnding: If the process is shutting down.
            TooManyRequests: If all places are taken now: the upload would probably be in vain.
            TooManyBytes: If the declared bytes and the bytes that have arrived together exceed the maximum.
        """
        self._check_place()
        if self._bytes + declared_bytes > self._max_bytes:
            raise self._refusal(TooManyBytes(self._max_bytes, self.retry_after_s()))
        received = ReceivedRequest()
        try:
            yield received
        except (TooManyAnswerBytes, RequestTooSlow) as error:
            raise self._refusal(error) from None
        finally:
            self._bytes -= received.n_bytes

    def count(self, received: ReceivedRequest, n_bytes: int) -> None:
        """Counts bytes of a request's body that have arrived.

        Raises:
            TooManyBytes: If all uploads together would exceed the maximum.
        """
        if self._bytes + n_bytes > self._max_bytes:
            raise self._refusal(TooManyBytes(self._max_bytes, self.retry_after_s()))
        received.n_bytes += n_bytes
        self._bytes += n_bytes

    @contextmanager
    def work(self) -> Generator[None]:
        """Takes a place for the duration of the block, which processes a request.

        Raises:
            ServiceEnding: If the process is shutting down.
            TooManyRequests: If all places are taken.
        """
        self._check_place()
        self._refusing_since_s = None
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def refuse_connection(self) -> TooManyConnections:
        """Counts a request that is refused because there are too many connections, and returns its error."""
        return self._refusal(TooManyConnections())

    @property
    def refusing_for_s(self) -> float:
        """Time for which every request has been refused, in seconds; 0 if no request is in progress."""
        if self._requests == 0 and self._bytes == 0:
            self._refusing_since_s = None
        return 0.0 if self._refusing_since_s is None else time.monotonic() - self._refusing_since_s

    def retry_after_s(self) -> int:
        """Estimated time until the work that is queued now is done, at least 1 s."""
        return max(1, math.ceil(self._backlog_s()))

    def _check_place(self) -> None:
        if self._is_shutting_down():
            raise self._refusal(ServiceEnding())
        if self._requests >= self._max_requests:
            raise self._refusal(TooManyRequests(self._max_requests, self.retry_after_s()))

    def _refusal(self, error: Refusal) -> Refusal:
        kind = next(kind for kind in _REASONS if isinstance(error, kind))
        self.refused[_REASONS[kind]] += 1
        if isinstance(error, Overloaded) and self._refusing_since_s is None:
            self._refusing_since_s = time.monotonic()
        return error
