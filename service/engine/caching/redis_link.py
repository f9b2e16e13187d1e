"""The connection to Redis, with bounded waiting time, connections and failures whatever Redis or the network does."""

import logging
import re
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from redis import ConnectionPool, Redis, ResponseError
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url  # pyright: ignore[reportUnknownVariableType] - untyped in redis
from redis.retry import Retry

from service.engine.caching.background import Background
from service.engine.caching.bounded_replies import BoundedParser
from service.engine.caching.breaker import BreakerState, CircuitBreaker
from service.engine.caching.refusals import ERROR_REPLIES, Refusal, Refusals, refusal_of
from service.engine.caching.reporting import CacheCounts

T = TypeVar("T")

REPLY_TIMEOUT_S = 0.1
"""Longest time that a caller waits for a reply."""
PAUSE_S = 5.0
"""Time for which Redis is not used after repeated failures, and time between two trials afterwards."""
FAILURES = 3
"""Number of failures in a row that stop the use of Redis."""
ACCEPTED_URLS = (
    "redis://[[user]:password@]host[:port][/db], rediss:// likewise, or unix://[[user]:password@]path[?db=db]"
)

_READERS = 8  # threads; each uses one connection, and so does the writer
_QUEUED_WRITES = 8
_MAX_ERROR_CHARS = 200
_SECRETS = re.compile(r"(?<=://).*(?=@)|(?<=password=)[^&]*")

log = logging.getLogger(__name__)


class RedisUnavailable(Exception):  # noqa: N818 - the name says what is wrong
    """Redis gave no reply, or an error reply.

    Attributes:
        request_sent: Whether a request was sent; it is not while the circuit breaker is open.
        refusal: Kind of the error reply; None if there was no reply.
    """

    def __init__(self, request_sent: bool, refusal: Refusal | None = None) -> None:
        self.request_sent, self.refusal = request_sent, refusal


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Longest waits for Redis, in seconds.

    Attributes:
        reply_s: Longest time that a caller waits for a reply.
        close_s: Longest time for which `RedisLink.close` sends queued requests.
    """

    reply_s: float = REPLY_TIMEOUT_S
    close_s: float = 1.0


TIME_LIMITS = TimeLimits()
"""The limits of the service."""


class RedisLink:
    """Sends requests to one Redis server; may be used from any thread.

    The timeouts of the redis library hold for each packet and each address, and not for looking up a host name. So
    separate threads send the requests, and a caller waits for a reply for at most `limits.reply_s`. If a caller has stopped
    waiting, the library's timeouts end the request of its thread.

    Args:
        url: URL of the server, as `check_url` accepts it.
        counts: Counters of failures and drops.
        breaker: Decides whether a request may be sent.
        limits: Longest waits.
    """

    def __init__(
        self, url: str, counts: CacheCounts, breaker: CircuitBreaker, limits: TimeLimits = TIME_LIMITS
    ) -> None:
        self._client = Redis(connection_pool=_connection_pool(url, limits.reply_s))
        self._counts, self._breaker, self._refusals = counts, breaker, Refusals(counts)
        self._limits = limits
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="redis-reader")
        self._writer = Background("redis-writer", _QUEUED_WRITES)

    @property
    def breaker_state(self) -> BreakerState:
        """State of the circuit breaker; requests are not sent while it is open."""
        return self._breaker.state

    def read(self, operation: str, request: Callable[[Redis], T]) -> T:
        """Sends a request and returns its reply, within `limits.reply_s`.

        Args:
            operation: Name of the operation in the failure counter.
            request: Sends the request with the given client, and returns the reply.

        Raises:
            RedisUnavailable: If there is no reply, or no request may be sent now.
        """
        if not self._breaker.allows():
            raise RedisUnavailable(request_sent=False)
        try:
            with self._outcome_recorded(operation):
                reply = self._readers.submit(request, self._client)
                try:
                    return reply.result(self._limits.reply_s)
                finally:
                    reply.cancel()
        except ERROR_REPLIES as error:
            raise RedisUnavailable(request_sent=True, refusal=refusal_of(error)) from error
        except Exception as error:  # the server may not be Redis, and then the library raises any exception
            raise RedisUnavailable(request_sent=True) from error

    def write(self, operation: str, request: Callable[[Redis], object]) -> None:
        """Queues a request that is sent in the background; drops it if the queue is full.

        Args:
            operation: Name of the operation in the failure counter.
            request: Sends the request with the given client.
        """
        if not self._writer.offer(lambda: self._write_now(operation, request)):
            self._counts.add("drops", "queue_full")

    def close(self) -> None:
        """Sends queued requests for up to `limits.close_s`, and disconnects; no request may follow."""
        self._writer.close(self._limits.close_s)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._client.connection_pool.disconnect()

    def _write_now(self, operation: str, request: Callable[[Redis], object]) -> None:
        if not self._breaker.allows():
            self._counts.add("drops", "unavailable")
            return
        with suppress(Exception), self._outcome_recorded(operation):  # counts a failure
            request(self._client)

    @contextmanager
    def _outcome_recorded(self, operation: str) -> Generator[None]:
        """Counts a failure of the `with` block, and reports the outcome to the breaker.

        An error reply from Redis counts as a failure of the operation, but shows the breaker that Redis works.
        """
        try:
            yield
        except BaseException as error:
            self._counts.add("failures", operation)
            if isinstance(error, ERROR_REPLIES):
                self._refusals.add(error, operation)
            if isinstance(error, ResponseError):
                self._report_reply()
            elif self._breaker.failed():
                self._counts.add("openings")
                log.warning(
                    "redis failed repeatedly and is not used for a while",
                    extra={"error": repr(error)[:_MAX_ERROR_CHARS], "pause_s": PAUSE_S},
                )
            raise
        self._report_reply()

    def _report_reply(self) -> None:
        if self._breaker.succeeded():
            log.info("redis answers again")


def check_url(url: str) -> None:
    """Checks a URL of a Redis server without connecting.

    Raises:
        ValueError: If the URL is not one of `ACCEPTED_URLS`.
    """
    try:
        _connection_pool(url, REPLY_TIMEOUT_S).make_connection()
    except TypeError as error:  # an unknown option after the question mark
        raise ValueError(url) from error


def without_secrets(url: str) -> str:
    """Replaces the user and the password in a URL, so that the URL can be logged."""
    return _SECRETS.sub("***", url)


def _connection_pool(url: str, reply_timeout_s: float) -> ConnectionPool:
    """Makes a pool of connections. The bounds come after the URL's options, so the URL cannot change them."""
    options: dict[str, Any] = {
        "connection_class": Connection,
        **parse_url(url),
        "max_connections": _READERS + 1,
        "socket_timeout": reply_timeout_s,
        "socket_connect_timeout": reply_timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "health_check_interval": 0,
        "decode_responses": False,
        "protocol": 2,
        "driver_info": None,
        "parser_class": BoundedParser,
    }
    return ConnectionPool(**options)
