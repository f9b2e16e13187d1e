"""Counters of the limits, shared through Redis while Redis works, and in the memory of this process otherwise."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from limits.aio.storage import MemoryStorage, RedisStorage
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import parse_url  # pyright: ignore[reportUnknownVariableType] - untyped in redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from service.engine.caching.breaker import CircuitBreaker
from service.engine.caching.redis_link import FAILURES, PAUSE_S, REPLY_TIMEOUT_S

T = TypeVar("T")

_PREFIX = "earmark:access"
_CONNECTIONS = 4
"""Number of requests to Redis at a time. The time limit of a request begins with its turn, so a burst does not time out; with
more requests at a time, they slow each other down on a busy machine until they do."""
_MAX_ERROR_CHARS = 200

log = logging.getLogger(__name__)


class Counters:
    """Counters in Redis, and others in memory that take their place while Redis does not answer.

    Args:
        redis_url: URL of the Redis server; None for counters in memory only.
        reply_timeout_s: Longest time that a request waits for a reply of Redis, in seconds.

    Attributes:
        memory: The counters in memory.
    """

    def __init__(self, redis_url: str | None, reply_timeout_s: float = REPLY_TIMEOUT_S) -> None:
        self.memory = MemoryStorage()
        self._reply_timeout_s = reply_timeout_s
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._breaker = CircuitBreaker(FAILURES, PAUSE_S)
        self._pool = None if redis_url is None else _connection_pool(redis_url, reply_timeout_s)
        self._redis = None if self._pool is None else _storage(self._pool)

    async def ask_redis(self, request: Callable[[RedisStorage], Awaitable[T]]) -> T | None:
        """Sends a request to Redis, and returns its reply within `reply_timeout_s`; None if there is no Redis or no reply.

        While many requests wait, it takes longer: they are sent in turn, and the time counts from when a request is sent.

        Args:
            request: Sends the request with the given storage.
        """
        if self._redis is None:
            return None
        async with self._turns:
            return await self._ask(self._redis, request)

    async def _ask(self, storage: RedisStorage, request: Callable[[RedisStorage], Awaitable[T]]) -> T | None:
        if not self._breaker.allows():
            return None
        try:
            async with asyncio.timeout(self._reply_timeout_s):
                reply = await request(storage)
        except Exception as error:  # noqa: BLE001 - the server may not be Redis, and then the library raises any exception
            self._report_failure(error)
            return None
        except BaseException as error:
            self._report_failure(error)
            raise
        if self._breaker.succeeded():
            log.info("redis answers again, so the limits of keys are shared again")
        return reply

    async def close(self) -> None:
        """Disconnects from Redis; no request may follow."""
        if self._pool is not None:
            await self._pool.disconnect()

    def _report_failure(self, error: BaseException) -> None:
        if self._breaker.failed():
            log.warning(
                "redis failed repeatedly; for a while each process counts the limits of keys alone",
                extra={"error": repr(error)[:_MAX_ERROR_CHARS], "pause_s": PAUSE_S},
            )


def _storage(pool: ConnectionPool) -> RedisStorage:
    return RedisStorage("async+redis://", implementation="redispy", key_prefix=_PREFIX, connection_pool=pool)  # pyright: ignore[reportArgumentType] - the library passes the pool on


def _connection_pool(url: str, reply_timeout_s: float) -> ConnectionPool:
    """Makes a pool of connections. The bounds come after the URL's options, so the URL cannot change them."""
    options: dict[str, Any] = {
        **parse_url(url),
        "max_connections": _CONNECTIONS,
        "socket_timeout": reply_timeout_s,
        "socket_connect_timeout": reply_timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "health_check_interval": 0,
        "decode_responses": False,
        "protocol": 2,
        "driver_info": None,
    }
    return ConnectionPool(**options)
