"""The limits of the keys: requests within a minute, and seconds of decoded audio within a day.

The rate is counted with a sliding window: the requests of the running minute, and those of the minute before, weighted by the
share of it that still lies within the last 60 s. The quota is counted from midnight to midnight UTC. Each request counts as
one, whatever its answer. Audio is counted as it is decoded, so a cached clip costs nothing, and a clip that fails costs what
was decoded of it.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.util import WindowStats

from service.access.counters import Counters
from service.access.keys import ApiKey
from service.core.access_errors import AudioQuotaExceeded, RateExceeded

DAY_S = 24 * 3600
MINUTE_S = 60
_MS = 1000  # counters are integers, so audio is counted in milliseconds
_KEPT_S = 2 * DAY_S


@dataclass(frozen=True, slots=True)
class Balance:
    """What remains of one limit of a key.

    Attributes:
        limit: Size of the limit.
        remaining: What remains of it.
        renewed_in_s: Time until there is more of it, in whole seconds, at least 1.
    """

    limit: int
    remaining: float
    renewed_in_s: int


class _Decoded:
    """Seconds of audio that the running and finished requests of one key have had decoded in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.total_s = self.running_s = 0.0


class Usage:
    """What one request has had decoded; `add` may be called from any thread.

    Args:
        decoded: The sums over the requests of the key.
        quota: The balance of the key at the beginning of the request; None for a key without a quota.

    Attributes:
        decoded_s: Seconds that were decoded so far.
        is_finished: Whether the request has ended.
        is_refused: Whether the request was refused because of the quota.
    """

    def __init__(self, decoded: _Decoded, quota: Balance | None) -> None:
        self._decoded, self._quota = decoded, quota
        self._finished_before_s = decoded.total_s - decoded.running_s
        self.decoded_s = 0.0
        self.is_finished = self.is_refused = False

    def add(self, seconds: float) -> None:
        """Counts audio that was decoded.

        Raises:
            AudioQuotaExceeded: If other requests of the key have meanwhile used the rest of its quota. A request that uses
                the rest itself is still answered, so a quota that is not used up always suffices for one more clip.
        """
        with self._decoded.lock:
            if self.is_finished:  # the client has gone, and the thread that decodes has not noticed yet
                return
            others_s = self._decoded.total_s - self._finished_before_s - self.decoded_s
            if self._quota is not None and others_s >= self._quota.remaining:
                self.is_refused = True
                raise AudioQuotaExceeded(self._quota.limit, self._quota.renewed_in_s)
            self.decoded_s += seconds
            self._decoded.total_s += seconds
            self._decoded.running_s += seconds

    def finish(self) -> float:
        """Ends the request, and returns the seconds that it had decoded; later calls of `add` do nothing."""
        with self._decoded.lock:
            if not self.is_finished:
                self.is_finished = True
                self._decoded.running_s -= self.decoded_s
        return self.decoded_s


class KeyLimits:
    """Counts what keys use; used by the event loop's thread only.

    Args:
        counters: Where the counts are kept.
        clock: Returns the time since the epoch, in seconds.
    """

    def __init__(self, counters: Counters, clock: Callable[[], float] = time.time) -> None:
        self._counters, self._clock = counters, clock
        self._memory_rates = SlidingWindowCounterRateLimiter(counters.memory)
        self._decoded: dict[str, _Decoded] = {}

    async def take_request(self, key: ApiKey) -> Balance | None:
        """Counts a request of a key; returns what remains of its rate, or None if it has no such limit.

        Raises:
            RateExceeded: If the key has made as many requests as it may. The request is not counted.
        """
        if key.requests_per_minute is None:
            return None
        rate = RateLimitItemPerMinute(key.requests_per_minute, namespace="rate")

        async def take(limiter: SlidingWindowCounterRateLimiter) -> tuple[bool, WindowStats]:
            return await limiter.hit(rate, key.name), await limiter.get_window_stats(rate, key.name)

        async def take_shared(storage: RedisStorage) -> tuple[bool, WindowStats]:
            return await take(SlidingWindowCounterRateLimiter(storage))

        accepted, stats = await self._counters.ask_redis(take_shared) or await take(self._memory_rates)
        renewed_in_s = min(MINUTE_S, max(1, math.ceil(stats.reset_time - time.time())))
        if not accepted:
            raise RateExceeded(key.requests_per_minute, renewed_in_s)
        return Balance(key.requests_per_minute, stats.remaining, renewed_in_s)

    async def audio_balance(self, key: ApiKey) -> Balance | None:
        """What remains of the quota of a key today, in seconds; None if the key has no quota.

        What the running requests of this process have had decoded is no longer there, although it is not charged yet.
        """
        charged = await self._charged_balance(key)
        decoded = self._decoded.get(key.name)
        if charged is None or decoded is None:
            return charged
        return replace(charged, remaining=max(0.0, charged.remaining - decoded.running_s))

    async def begin_audio(self, key: ApiKey) -> Usage:
        """Begins to count the audio of a request.

        Raises:
            AudioQuotaExceeded: If nothing remains of the quota of the key.
        """
        quota = await self._charged_balance(key)
        if quota is not None and quota.remaining <= 0:
            raise AudioQuotaExceeded(quota.limit, quota.renewed_in_s)
        return Usage(self._decoded.setdefault(key.name, _Decoded()), quota)

    async def charge(self, key: ApiKey, seconds: float) -> None:
        """Takes decoded audio from the quota of a key.

        The memory of this process counts too, so that the quota does not begin anew if Redis fails during the day.
        """
        n_ms = round(seconds * _MS)
        if key.audio_seconds_per_day is None or n_ms == 0:
            return
        counter = self._counter_of(key)

        async def count(storage: RedisStorage | MemoryStorage) -> int:
            return await storage.incr(counter, _KEPT_S, amount=n_ms)

        await count(self._counters.memory)
        await self._counters.ask_redis(count)

    async def close(self) -> None:
        """Frees the counters; no request may follow."""
        await self._counters.close()

    def forget(self, names: frozenset[str]) -> None:
        """Forgets all keys but those with these names."""
        for name in self._decoded.keys() - names:
            del self._decoded[name]

    async def _charged_balance(self, key: ApiKey) -> Balance | None:
        """What remains of the quota of a key today after the finished requests, in seconds; None without a quota."""
        if key.audio_seconds_per_day is None:
            return None
        counter = self._counter_of(key)
        memory_ms = await self._counters.memory.get(counter)
        used_ms = max(memory_ms, await self._counters.ask_redis(lambda storage: storage.get(counter)) or 0)
        used_ms = min(used_ms, _MS * key.audio_seconds_per_day)  # whatever the number that Redis has
        return Balance(key.audio_seconds_per_day, key.audio_seconds_per_day - used_ms / _MS, self._until_midnight_s())

    def _counter_of(self, key: ApiKey) -> str:
        """Name of today's counter of a key; another quota for the key does not begin another counter."""
        return f"audio/{key.name}/{datetime.fromtimestamp(self._clock(), UTC).date().isoformat()}"

    def _until_midnight_s(self) -> int:
        return max(1, math.ceil(DAY_S - self._clock() % DAY_S))
