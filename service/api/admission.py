"""How much is worked on at a time: what is beyond is refused at once, and told when to come again."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from service.core.errors import ServiceEnding, TooManyBytes, TooManyRequests


@dataclass(slots=True)
class AdmittedRequest:
    """What one request that was let in holds.

    Attributes:
        reserved_bytes: Of its upload, as far as it came or was announced.
    """

    reserved_bytes: int = 0


class Admission:
    """Counts requests and the bytes of their uploads; belongs to the event loop's thread.

    Args:
        max_requests: Requests at a time.
        max_bytes: Bytes of all their uploads.
        backlog_s: Tells how many seconds of work are queued.
        is_shutting_down: Tells whether the process takes nothing new.

    Attributes:
        refused: How many requests were refused, by the reason.
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
        """Lets a request in, and out again at the end of the block.

        Raises:
            ServiceEnding: If the process takes nothing new.
            TooManyRequests: If there is no place.
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
        """Takes room for the first `n_bytes` bytes of a request's upload; what it holds already counts.

        Raises:
            TooManyBytes: If there is none.
        """
        more = max(0, n_bytes - admitted.reserved_bytes)
        if self._bytes + more > self._max_bytes:
            self.refused["bytes"] += 1
            raise TooManyBytes(self._max_bytes, self._retry_after_s())
        admitted.reserved_bytes += more
        self._bytes += more

    def _retry_after_s(self) -> int:
        """Until what is queued now is done; at least a second."""
        return max(1, math.ceil(self._backlog_s()))
