"""Admission control: requests beyond the limits are refused at once, with the time after which to retry."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from service.core.errors import ServiceEnding, TooManyBytes, TooManyRequests


@dataclass(slots=True)
class AdmittedRequest:
    """An admitted request and the bytes that it has reserved.

    Attributes:
        reserved_bytes: Bytes of the upload that have been received or announced so far.
    """

    reserved_bytes: int = 0


class Admission:
    """Limits on concurrent requests and on the bytes of their uploads; used by the event loop's thread only.

    Args:
        max_requests: Maximum number of concurrent requests.
        max_bytes: Maximum total bytes of the uploads of these requests.
        backlog_s: Returns the estimated time to process the queued work, in seconds.
        is_shutting_down: Returns whether the process is shutting down.

    Attributes:
        refused: Number of refused requests by reason: "requests", "bytes" or "ending" (the process is shutting down).
    """

    def __init__(
        self, max_requests: int, max_bytes: int, backlog_s: Callable[[], float], is_shutting_down: Callable[[], bool]
    ) -> None:
        self.refused = {"requests": 0, "bytes": 0, "ending": 0}
        self._max_requests, self._max_bytes = max_requests, max_bytes
        self._backlog_s, self._is_shutting_down = backlog_s, is_shutting_down
        self._requests, self._bytes = 0, 0

    @contextmanager
    def admit(self) -> Generator[AdmittedRequest]:
        """Admits a request for the duration of the block, after which its reservations are released.

        Raises:
            ServiceEnding: If the process is shutting down.
            TooManyRequests: If the maximum number of requests is already running.
        """
        if self._is_shutting_down():
            self.refused["ending"] += 1
            raise ServiceEnding
        if self._requests >= self._max_requests:
            self.refused["requests"] += 1
            raise TooManyRequests(self._max_requests, self._retry_after_s())
        admitted = AdmittedRequest()
        self._requests += 1
        try:
            yield admitted
        finally:
            self._requests -= 1
            self._bytes -= admitted.reserved_bytes

    def reserve(self, admitted: AdmittedRequest, n_bytes: int) -> None:
        """Reserves the first `n_bytes` bytes of a request's upload; bytes that it has reserved before are part of them.

        Raises:
            TooManyBytes: If all uploads together would exceed the maximum.
        """
        more = max(0, n_bytes - admitted.reserved_bytes)
        if self._bytes + more > self._max_bytes:
            self.refused["bytes"] += 1
            raise TooManyBytes(self._max_bytes, self._retry_after_s())
        admitted.reserved_bytes += more
        self._bytes += more

    def _retry_after_s(self) -> int:
        """Estimated time until the work that is queued now is done, at least 1 s."""
        return max(1, math.ceil(self._backlog_s()))
