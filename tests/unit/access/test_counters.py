import asyncio
from pathlib import Path

import pytest
from limits.aio.storage import RedisStorage

from service.access.counters import Counters
from service.engine.caching.redis_link import FAILURES, REPLY_TIMEOUT_S
from tests.http_server import Reply, serve
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _count(storage: RedisStorage) -> int:
    return await storage.incr("a", 60)


async def test_without_a_redis_there_is_no_reply() -> None:
    counters = Counters(None)
    assert await counters.ask_redis(_count) is None
    await counters.close()


async def test_many_requests_wait_for_their_turn_and_all_get_a_reply(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    counters = Counters(redis.url)
    replies = await asyncio.gather(*(counters.ask_redis(_count) for _ in range(500)))
    assert sorted(reply or 0 for reply in replies) == list(range(1, 501))
    assert redis.client.info("clients")["connected_clients"] <= 5
    await counters.close()
    redis.stop()


async def test_replies_are_not_mixed_up_after_a_redis_has_hung(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    counters = Counters(redis.url)

    async def put_and_get(name: str) -> bool:
        async def ask(storage: RedisStorage) -> bool:
            await storage.clear(name)
            await storage.incr(name, 60, amount=int(name))
            return await storage.get(name) == int(name)

        return await counters.ask_redis(ask) is not False

    before = asyncio.gather(*(put_and_get(str(i)) for i in range(1, 200)))
    await asyncio.sleep(0.02)
    redis.pause()
    await asyncio.sleep(2 * REPLY_TIMEOUT_S)
    redis.resume()
    assert all(await before)
    assert all(await asyncio.gather(*(put_and_get(str(i)) for i in range(1, 200))))
    await counters.close()
    redis.stop()


async def test_a_server_that_is_not_redis_gives_no_reply_and_is_left_alone_for_a_while() -> None:
    with serve() as server:
        server.answer = lambda _request: Reply(b"x" * 1000)
        counters = Counters(server.url.replace("http://", "redis://"))
        for _ in range(FAILURES):
            assert await counters.ask_redis(_count) is None
        asked: list[RedisStorage] = []

        async def ask(storage: RedisStorage) -> None:
            asked.append(storage)

        assert await counters.ask_redis(ask) is None
        assert asked == []
        await counters.close()
