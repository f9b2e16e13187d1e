"""The way to Redis: bounded in time, connections and failures, whatever Redis or the network does."""

import logging
import re
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from redis import ConnectionPool, Redis, ResponseError
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url  # pyright: ignore[reportUnknownVariableType] - untyped in redis
from redis.retry import Retry

from service.engine.caching.background import Background
from service.engine.caching.breaker import CircuitBreaker
from service.engine.caching.reporting import CacheCounts

T = TypeVar("T")

BUDGET_S = 0.1
PAUSE_S = 5.0
FAILURES = 3
ACCEPTED_URLS = (
    "redis://[[user]:password@]host[:port][/db], rediss:// likewise, or unix://[[user]:password@]path[?db=db]"
)

_READERS = 8  # threads; each takes one connection, and so does the writer
_QUEUED_WRITES = 8
_CLOSE_WITHIN_S = 1.0
_SECRETS = re.compile(r"(?<=://).*(?=@)|(?<=password=)[^&]*")

log = logging.getLogger(__name__)


class RedisUnavailable(Exception):  # noqa: N818 - it says what is wrong
    """There is no answer from Redis.

    Attributes:
        asked: Whether it was asked at all.
    """

    def __init__(self, asked: bool) -> None:
        self.asked = asked


class RedisLink:
    """Asks one Redis server from any thread.

    The library's timeouts hold for each packet and each address, and not at all for looking up a name. So questions are
    asked by threads of their own, and whoever asks waits for BUDGET_S at most; a thread that is left alone with a
    question ends it by the library's timeouts.

    Args:
        url: As `check_url` accepts it.
        counts: Where failures and drops are counted.
        breaker: Tells when not to ask.
    """

    def __init__(self, url: str, counts: CacheCounts, breaker: CircuitBreaker) -> None:
        self._client = Redis(connection_pool=_connection_pool(url))
        self._counts, self._breaker = counts, breaker
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="redis-reader")
        self._writer = Background("redis-writer", _QUEUED_WRITES)

    @property
    def in_use(self) -> bool:
        """Whether Redis did not just fail repeatedly."""
        return self._breaker.closed

    def ask(self, operation: str, question: Callable[[Redis], T]) -> T:
        """Gives the answer to a question within BUDGET_S.

        Raises:
            RedisUnavailable: If there is none.
        """
        if not self._breaker.allows():
            raise RedisUnavailable(asked=False)
        try:
            with self._judged(operation):
                answer = self._readers.submit(question, self._client)
                try:
                    return answer.result(BUDGET_S)
                finally:
                    answer.cancel()
        except Exception as error:  # what speaks on this port may be no Redis: the library raises anything
            raise RedisUnavailable(asked=True) from error

    def tell(self, operation: str, order: Callable[[Redis], object]) -> None:
        """Gives an order some time, or never; takes no time now."""
        if not self._writer.offer(lambda: self._tell_now(operation, order)):
            self._counts.add("drops", "queue_full")

    def close(self) -> None:
        """Gives the orders that wait, as far as time allows, and disconnects; nothing may be asked any more."""
        self._writer.close(_CLOSE_WITHIN_S)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._client.connection_pool.disconnect()

    def _tell_now(self, operation: str, order: Callable[[Redis], object]) -> None:
        if not self._breaker.allows():
            self._counts.add("drops", "unavailable")
            return
        with suppress(Exception), self._judged(operation):  # which counts it
            order(self._client)

    @contextmanager
    def _judged(self, operation: str) -> Generator[None]:
        """Counts how an operation goes, and lets the breaker know; an error that Redis itself tells is a sign of life."""
        try:
            yield
        except BaseException as error:
            self._counts.add("failures", operation)
            if isinstance(error, ResponseError):
                self._note_life()
            elif self._breaker.failed():
                log.warning("redis is left alone for a while", extra={"error": repr(error), "pause_s": PAUSE_S})
            raise
        self._note_life()

    def _note_life(self) -> None:
        if self._breaker.succeeded():
            log.info("redis answers again")


def check_url(url: str) -> None:
    """Checks a URL without connecting.

    Raises:
        ValueError: If no connection can be made from it.
    """
    try:
        _connection_pool(url).make_connection()
    except TypeError as error:  # an unknown option after its question mark
        raise ValueError(url) from error


def without_secrets(url: str) -> str:
    """A URL to be shown."""
    return _SECRETS.sub("***", url)


def _connection_pool(url: str) -> ConnectionPool:
    """Its own bounds come last: the URL cannot change them."""
    options: dict[str, Any] = {
        "connection_class": Connection,
        **parse_url(url),
        "max_connections": _READERS + 1,
        "socket_timeout": BUDGET_S,
        "socket_connect_timeout": BUDGET_S,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "health_check_interval": 0,
        "decode_responses": False,
        "protocol": 2,
        "driver_info": None,
    }
    return ConnectionPool(**options)
