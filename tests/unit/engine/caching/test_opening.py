"""Engines with the caches of a service: replicas that share a Redis, or have lost it."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from service.answer import encode_answer
from service.core.errors import ClipNotFound
from service.core.manifest import read_manifest
from service.engine.caching.opening import open_cache
from service.engine.caching.redis_tier import RedisOptions
from service.engine.clip import KnownClip, Upload
from service.engine.engine import Engine, open_engine
from service.engine.interface import Localization
from service.engine.options import EngineOptions
from tests.clips import tones, wav
from tests.redis_server import RedisServer, wait_until

QUERIES = ["low", "middle", "high"]
CLIP = wav(tones([("low", 0.4, 1.2), ("high", 1.0, 2.3)], 3.3))


@pytest.fixture
def replicas(server: RedisServer, tiny_bundle: Path) -> Iterator[tuple[Engine, Engine]]:
    with ExitStack() as opened:

        def replica() -> Engine:
            redis = RedisOptions(server.url, ttl_s=60, value_bytes=10**6)
            cache = opened.enter_context(closing(open_cache(read_manifest(tiny_bundle), 10**6, redis)))
            return opened.enter_context(closing(open_engine(tiny_bundle, EngineOptions(), cache)))

        yield replica(), replica()


def _told(engine: Engine, answer: Localization) -> bytes:
    """The answer's bytes, whether the clip was known set aside."""
    return encode_answer(replace(answer, cached=True), engine.manifest, "both")


def test_a_clip_that_came_to_one_is_known_to_the_other(replicas: tuple[Engine, Engine]) -> None:
    here, there = replicas
    clip_id = here.localize(Upload.of_bytes(CLIP), QUERIES).clip_id
    wait_until(lambda: there.knows_clip(clip_id))
    assert there.localize(KnownClip(clip_id), QUERIES).cached
    assert there.localize(Upload.of_bytes(CLIP), QUERIES).cached
    assert not there.knows_clip("0" * 64)


def test_a_clip_gives_the_same_bytes_new_from_memory_and_from_redis(replicas: tuple[Engine, Engine]) -> None:
    here, there = replicas
    new, remembered = here.localize(Upload.of_bytes(CLIP), QUERIES), here.localize(Upload.of_bytes(CLIP), QUERIES)
    wait_until(lambda: there.knows_clip(new.clip_id))
    shared = there.localize(KnownClip(new.clip_id), QUERIES)
    assert [answer.cached for answer in (new, remembered, shared)] == [False, True, True]
    assert _told(here, new) == _told(here, remembered) == _told(there, shared)
    assert there.cache.report().counts["lookups"]["redis", "hit"] == 1


def test_without_redis_replicas_answer_for_themselves(replicas: tuple[Engine, Engine], server: RedisServer) -> None:
    here, there = replicas
    server.stop()
    new = here.localize(Upload.of_bytes(CLIP), QUERIES)
    assert _told(here, here.localize(KnownClip(new.clip_id), QUERIES)) == _told(here, new)
    assert _told(there, there.localize(Upload.of_bytes(CLIP), QUERIES)) == _told(here, new)
    assert (here.cache.degraded(), here.cache.report().counts["failures"]["get",]) == (["redis"], 1)
    with pytest.raises(ClipNotFound):
        here.localize(KnownClip("0" * 64), QUERIES)
    server.start()


def test_a_redis_that_does_not_answer_is_warned_of_without_its_password(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    redis = RedisOptions(f"unix://:secret@{tmp_path}/none", ttl_s=60, value_bytes=10**6)
    with closing(open_cache(read_manifest(tiny_bundle), 10**6, redis)) as cache:
        assert cache.degraded() == ["redis"]
    (record,) = caplog.records
    assert record.message == "redis does not answer; clips are kept in memory"
    assert record.__dict__["url"] == f"unix://***@{tmp_path}/none"
