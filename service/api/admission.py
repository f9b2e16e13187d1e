"""Admission control: requests beyond the limits are refused at once, with the time after which to retry."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from service.api.demand import Demand, DemandEstimate
from service.api.return_times import ReturnTimes
from service.core.errors import (
    EarmarkError,
    Overloaded,
    ServiceEnding,
    TooManyAnswerBytes,
    TooManyBytes,
    TooManyConnections,
    TooManyRequests,
    WaitTooLong,
)
from service.core.request_errors import RequestTooSlow

Refusal = TypeVar("Refusal", bound=EarmarkError)
_REASONS: dict[type[EarmarkError], str] = {
    WaitTooLong: "wait",
    TooManyRequests: "requests",
    TooManyBytes: "bytes",
    ServiceEnding: "ending",
    TooManyAnswerBytes: "answers",
    TooManyConnections: "connections",
    RequestTooSlow: "slow",
}
_QUIET_S = 30.0
"""Without a refusal for this time, it is unknown whether requests are still refused."""


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """What the service accepts at the same time.

    Attributes:
        max_wait_s: Longest estimated wait of a request for the work of other requests, in seconds.
        max_requests: Maximum number of requests that are processed or wait for it.
        max_bytes: Maximum total bytes of the uploads of all requests.
        max_connections: Maximum number of connections, for the message about too many.
    """

    max_wait_s: int
    max_requests: int
    max_bytes: int
    max_connections: int


@dataclass(slots=True)
class ReceivedRequest:
    """A request that is being received, or was received and is being answered.

    Attributes:
        n_bytes: Bytes of its body that have arrived.
        work_s: Estimated work of the request, in seconds, while its body arrives; 0 afterwards.
    """

    n_bytes: int = 0
    work_s: float = 0.0


class Admission:
    """Limits on the wait, the number and the bytes of concurrent requests; used by the event loop's thread only.

    A request is admitted when its body is complete and its work begins, so slow clients do not block others. While a body
    arrives, only its bytes are counted. The work of the request itself never refuses it: only what is ahead of it counts.

    Args:
        limits: What is accepted at the same time.
        estimate: Estimates the wait and the work of requests.
        is_shutting_down: Returns whether the process is shutting down.

    Attributes:
        refused: Number of refused requests by reason: "wait" (too much work is ahead), "requests" (too many), "bytes" (of
            uploads), "ending" (the process is shutting down), "answers" (bytes of answers), "connections", or "slow" (the
            upload).
    """

    def __init__(self, limits: AdmissionLimits, estimate: DemandEstimate, is_shutting_down: Callable[[], bool]) -> None:
        self.refused: dict[str, int] = dict.fromkeys(_REASONS.values(), 0)
        self._limits, self._estimate, self._is_shutting_down = limits, estimate, is_shutting_down
        self._return_times = ReturnTimes(limits.max_wait_s)
        self._requests, self._bytes, self._receiving_s = 0, 0, 0.0
        self._refusing_since_s: float | None = None
        self._refused_at_s, self._refused_for_work = 0.0, False

    @contextmanager
    def receive(self, declared_bytes: int = 0) -> Generator[ReceivedRequest]:
        """Counts a request while its body arrives and while it is answered; its bytes are released afterwards.

        Args:
            declared_bytes: Size of the body according to the client, which may be wrong; 0 if the client does not say.

        Raises:
            ServiceEnding: If the process is shutting down.
            TooManyRequests, WaitTooLong: If the request would be refused now: its upload would probably be in vain.
            TooManyBytes: If the declared bytes and the bytes that have arrived together exceed the maximum.
        """
        demand = self._estimate.of_body(declared_bytes)
        self._check(demand)
        self._check_bytes(declared_bytes)
        received = ReceivedRequest(work_s=demand.work_s)
        self._receiving_s += demand.work_s
        try:
            yield received
        except (TooManyAnswerBytes, RequestTooSlow) as error:
            raise self._refusal(error) from None
        finally:
            self._has_arrived(received)
            self._bytes -= received.n_bytes

    def count(self, received: ReceivedRequest, n_bytes: int) -> None:
        """Counts bytes of a request's body that have arrived.

        Raises:
            TooManyBytes: If all uploads together would exceed the maximum.
        """
        self._check_bytes(n_bytes, received.n_bytes)
        received.n_bytes += n_bytes
        self._bytes += n_bytes

    @contextmanager
    def work(self, received: ReceivedRequest, n_windows: int | None) -> Generator[None]:
        """Admits a request for the duration of the block, which waits for its turn and processes the request.

        Args:
            received: The request.
            n_windows: Expected number of windows of its clip; None for a known clip.

        Raises:
            ServiceEnding: If the process is shutting down.
            TooManyRequests: If too many requests are in progress.
            WaitTooLong: If the work ahead of the request takes too long.
        """
        self._has_arrived(received)
        if n_windows is not None:
            self._estimate.learn(received.n_bytes, n_windows)
        self._check(self._estimate.of_request(n_windows))
        self._refusing_since_s = None
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def refuse_connection(self, declared_bytes: int = 0) -> TooManyConnections:
        """Counts a request that is refused because there are too many connections, and returns its error.

        Args:
            declared_bytes: Size of the body according to the client; 0 if the client does not say.
        """
        body, short = self._estimate.of_body(declared_bytes), self._estimate.of_request(1)
        # requests of every kind hold the connections, so there is no place before a short clip would get its turn
        demand = Demand(max(body.wait_s, short.wait_s), max(body.work_s, short.work_s))
        retry_s = self._retry_after_s(demand)
        return self._refusal(TooManyConnections(self._limits.max_connections, retry_s))

    @property
    def refusing_for_s(self) -> float:
        """Time for which every request has been refused, in seconds; 0 if a request would be admitted now."""
        now_s = time.monotonic()
        if self._refusing_since_s is None or self._would_admit(now_s):
            self._refusing_since_s = None
            return 0.0
        return now_s - self._refusing_since_s

    def retry_after_s(self) -> int:
        """Time after which a client that is refused now should try again, in seconds; may be called from any thread."""
        return self._retry_after_s(self._estimate.of_body(0))

    def _would_admit(self, now_s: float) -> bool:
        """Whether a short clip would be admitted now. Only a refusal tells whether bytes or connections are exhausted."""
        if self._requests == 0 and self._bytes == 0:
            return True
        if self._requests >= self._limits.max_requests:
            return False
        if self._estimate.of_request(1).wait_s > self._limits.max_wait_s:
            return False
        return now_s - self._refused_at_s > _QUIET_S or self._refused_for_work

    def _check(self, demand: Demand) -> None:
        if self._is_shutting_down():
            raise self._refusal(ServiceEnding())
        limits = self._limits
        if self._requests >= limits.max_requests:
            raise self._refusal(TooManyRequests(limits.max_requests, self._retry_after_s(demand)))
        if demand.wait_s > limits.max_wait_s:
            wait_s, retry_s = round(demand.wait_s, 1), self._retry_after_s(demand)
            raise self._refusal(WaitTooLong(limits.max_wait_s, retry_s, wait_s))

    def _check_bytes(self, n_bytes: int, already: int = 0) -> None:
        if self._bytes + n_bytes > self._limits.max_bytes:
            retry_s = self._retry_after_s(self._estimate.of_body(already + n_bytes))
            raise self._refusal(TooManyBytes(self._limits.max_bytes, retry_s))

    def _has_arrived(self, received: ReceivedRequest) -> None:
        self._receiving_s -= received.work_s
        received.work_s = 0.0

    def _retry_after_s(self, demand: Demand) -> int:
        """The time to return. Most requests that are being received will be admitted, and will then be work ahead."""
        ahead_s = min(demand.wait_s + self._receiving_s, max(demand.wait_s, self._limits.max_wait_s))
        return self._return_times.next_s(ahead_s, demand.work_s)

    def _refusal(self, error: Refusal) -> Refusal:
        kind = next(kind for kind in _REASONS if isinstance(error, kind))
        self.refused[_REASONS[kind]] += 1
        if isinstance(error, Overloaded):
            self._refused_at_s = time.monotonic()
            self._refused_for_work = isinstance(error, WaitTooLong | TooManyRequests)
            if self._refusing_since_s is None:
                self._refusing_since_s = self._refused_at_s
        return error
