import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.access.counters import Counters
from service.access.key_limits import Balance, KeyLimits
from service.access.keys import ApiKey
from service.core.access_errors import AudioQuotaExceeded, RateExceeded
from tests.redis_server import RedisServer
from tests.waiting import PATIENCE_S, avoid_the_end_of_a_minute

pytestmark = pytest.mark.anyio
KEY = ApiKey("a", "", requests_per_minute=10, audio_seconds_per_day=100)
OTHER = ApiKey("b", "", requests_per_minute=10, audio_seconds_per_day=100)
UNLIMITED = ApiKey("c", "")
NOON_S = 20_000 * 86_400 + 43_200.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    now_s = NOON_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(params=["memory", "redis"])
async def limits(request: pytest.FixtureRequest, redis: RedisServer, clock: Clock) -> AsyncIterator[KeyLimits]:
    redis.client.flushall()
    avoid_the_end_of_a_minute(10)  # the rates are counted with the time of the machine
    limits = KeyLimits(Counters(redis.url if request.param == "redis" else None, PATIENCE_S), clock)
    yield limits
    await limits.close()


async def _take(limits: KeyLimits, key: ApiKey = KEY) -> int | None:
    """What remains after a request; None if it was refused."""
    try:
        balance = await limits.take_request(key)
    except RateExceeded:
        return None
    assert balance is not None
    return int(balance.remaining)


async def test_of_many_requests_at_once_exactly_the_limit_passes(limits: KeyLimits) -> None:
    remaining = await asyncio.gather(*(_take(limits) for _ in range(200)))
    assert sum(item is not None for item in remaining) == 10
    assert await _take(limits, OTHER) == 9


async def test_the_balance_counts_down(limits: KeyLimits) -> None:
    assert [await _take(limits) for _ in range(11)] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, None]


async def test_a_refused_request_says_when_there_is_room_again(limits: KeyLimits) -> None:
    once = ApiKey("once", "", requests_per_minute=1)
    await limits.take_request(once)
    with pytest.raises(RateExceeded) as refused:
        await limits.take_request(once)
    assert refused.value.limit == 1
    assert 1 <= refused.value.retry_after_s <= 60


async def test_a_key_without_limits_has_no_balance(limits: KeyLimits) -> None:
    assert await limits.take_request(UNLIMITED) is None
    assert await limits.audio_balance(UNLIMITED) is None
    await limits.charge(UNLIMITED, 1e9)
    (await limits.begin_audio(UNLIMITED)).add(1e9)


async def test_audio_is_counted_to_the_millisecond_until_midnight_utc(limits: KeyLimits, clock: Clock) -> None:
    await limits.charge(KEY, 99.5)
    assert await limits.audio_balance(KEY) == Balance(100, 0.5, 43_200)
    await limits.charge(KEY, 10.0)
    with pytest.raises(AudioQuotaExceeded, match=r"100 s of audio .* in 43200 s"):
        await limits.begin_audio(KEY)
    clock.now_s += 43_199.0
    with pytest.raises(AudioQuotaExceeded, match="in 1 s"):
        await limits.begin_audio(KEY)
    clock.now_s += 1.0
    assert await limits.audio_balance(KEY) == Balance(100, 100.0, 86_400)
    await limits.begin_audio(KEY)


async def test_another_quota_for_a_key_does_not_forget_what_was_used(limits: KeyLimits) -> None:
    await limits.charge(KEY, 60.0)
    larger = ApiKey("a", "", audio_seconds_per_day=200)
    assert (await limits.audio_balance(larger)) == Balance(200, 140.0, 43_200)
    assert (await limits.audio_balance(ApiKey("a", "", audio_seconds_per_day=50))) == Balance(50, 0.0, 43_200)


async def test_the_request_that_uses_the_rest_is_answered_and_the_others_are_stopped(limits: KeyLimits) -> None:
    first, second = await limits.begin_audio(KEY), await limits.begin_audio(KEY)
    second.add(1.0)
    first.add(500.0)
    with pytest.raises(AudioQuotaExceeded):
        second.add(1.0)
    first.add(500.0)
    assert (first.finish(), second.finish()) == (1000.0, 1.0)
    first.add(1.0)
    assert first.decoded_s == 1000.0


async def test_the_balance_leaves_out_what_running_requests_had_decoded(limits: KeyLimits) -> None:
    usage = await limits.begin_audio(KEY)
    usage.add(70.0)
    assert await limits.audio_balance(KEY) == Balance(100, 30.0, 43_200)
    await limits.charge(KEY, usage.finish())
    assert await limits.audio_balance(KEY) == Balance(100, 30.0, 43_200)


async def test_a_quota_of_which_redis_has_any_number_is_used_up_at_most(redis: RedisServer, clock: Clock) -> None:
    redis.client.flushall()
    limits = KeyLimits(Counters(redis.url, PATIENCE_S), clock)
    await limits.charge(KEY, 1.0)
    (name,) = redis.client.keys("*audio*")
    redis.client.set(name, "9" * 1000)
    assert await limits.audio_balance(KEY) == Balance(100, 0.0, 43_200)
    redis.client.set(name, -5)
    assert await limits.audio_balance(KEY) == Balance(100, 99.0, 43_200)
    await limits.close()


async def test_what_finished_requests_used_is_counted_once(limits: KeyLimits) -> None:
    for _ in range(9):
        usage = await limits.begin_audio(KEY)
        usage.add(11.0)
        await limits.charge(KEY, usage.finish())
    usage = await limits.begin_audio(KEY)  # of 100 s, 1 s is left
    usage.add(0.5)
    limits.forget(frozenset())
    usage.add(0.4)


async def test_replicas_share_the_limits_through_redis(redis: RedisServer, clock: Clock) -> None:
    redis.client.flushall()
    avoid_the_end_of_a_minute(10)
    replicas = [KeyLimits(Counters(redis.url, PATIENCE_S), clock) for _ in range(3)]
    remaining = await asyncio.gather(*(_take(replicas[i % 3]) for i in range(90)))
    assert sum(item is not None for item in remaining) == 10
    await replicas[0].charge(KEY, 100.0)
    with pytest.raises(AudioQuotaExceeded):
        await replicas[1].begin_audio(KEY)
    for replica in replicas:
        await replica.close()


async def test_while_redis_fails_each_process_counts_alone_and_keeps_what_it_knows(
    tmp_path: Path, clock: Clock
) -> None:
    redis = RedisServer(tmp_path)
    avoid_the_end_of_a_minute(10)
    limits = KeyLimits(Counters(redis.url, PATIENCE_S), clock)
    await limits.charge(KEY, 99.0)
    redis.stop()
    remaining = await asyncio.gather(*(_take(limits) for _ in range(200)))
    assert sum(item is not None for item in remaining) == 10
    assert await limits.audio_balance(KEY) == Balance(100, 1.0, 43_200)
    await limits.close()


async def test_a_redis_that_hangs_costs_a_tenth_of_a_second_a_few_times(tmp_path: Path, clock: Clock) -> None:
    redis = RedisServer(tmp_path)
    limits = KeyLimits(Counters(redis.url), clock)
    await limits.take_request(KEY)
    redis.pause()
    try:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for _ in range(400):
            await limits.charge(KEY, 0.125)
            await limits.audio_balance(KEY)
        assert loop.time() - start_s < 40  # it takes 0.3 s, and twice this limit if Redis is tried each time
        assert await limits.audio_balance(KEY) == Balance(100, 50.0, 43_200)
    finally:
        redis.resume()
        await limits.close()
        redis.stop()


async def test_a_redis_that_refuses_writes_changes_nothing(redis: RedisServer, clock: Clock) -> None:
    redis.client.flushall()
    avoid_the_end_of_a_minute(10)
    limits = KeyLimits(Counters(redis.url, PATIENCE_S), clock)
    redis.fill()
    try:
        remaining = [await _take(limits) for _ in range(12)]
        await limits.charge(KEY, 100.0)
        with pytest.raises(AudioQuotaExceeded):
            await limits.begin_audio(KEY)
    finally:
        redis.allow_writes()
        await limits.close()
    assert sum(item is not None for item in remaining) == 10
