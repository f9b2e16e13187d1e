"""Engines of two replicas of the service that share a Redis, or have lost the connection to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.answer import encode_answer
from service.core.errors import ClipNotFound
from service.core.manifest import read_manifest
from service.core.start_errors import RedisUnusable
from service.engine.caching.opening import open_cache
from service.engine.caching.redis_tier import RedisOptions
from service.engine.caching.tiers import EmbeddingCache
from service.engine.clip import KnownClip, Upload
from service.engine.clip_embedding import ClipEmbedding
from service.engine.engine import Engine, open_engine
from service.engine.interface import Localization
from service.engine.options import EngineOptions
from tests.clips import tones, wav
from tests.redis_server import RedisServer
from tests.unit.engine.caching.conftest import PATIENT
from tests.waiting import wait_until

QUERIES = ["low", "middle", "high"]
CLIP = wav(tones([("low", 0.4, 1.2), ("high", 1.0, 2.3)], 3.3))


@pytest.fixture
def replicas(server: RedisServer, tiny_bundle: Path) -> Iterator[tuple[Engine, Engine]]:
    with ExitStack() as opened:

        def replica() -> Engine:
            redis = RedisOptions(server.url, ttl_s=600, value_bytes=10**6)
            cache = opened.enter_context(closing(open_cache(read_manifest(tiny_bundle), 10**6, redis, PATIENT)))
            return opened.enter_context(closing(open_engine(tiny_bundle, EngineOptions(), cache)))

        yield replica(), replica()


def _answer_bytes(engine: Engine, answer: Localization) -> bytes:
    """The bytes of an answer, except whether the clip was cached."""
    return encode_answer(replace(answer, cached=True), engine.manifest, "both")


def test_a_clip_that_was_uploaded_to_one_replica_is_known_to_the_other(replicas: tuple[Engine, Engine]) -> None:
    first, second = replicas
    clip_id = first.localize(Upload.of_bytes(CLIP), QUERIES).clip_id
    wait_until(lambda: second.knows_clip(clip_id))
    assert second.localize(KnownClip(clip_id), QUERIES).cached
    assert second.localize(Upload.of_bytes(CLIP), QUERIES).cached
    assert not second.knows_clip("0" * 64)


def test_a_clip_gives_the_same_answer_when_new_from_memory_and_from_redis(replicas: tuple[Engine, Engine]) -> None:
    first, second = replicas
    new, remembered = first.localize(Upload.of_bytes(CLIP), QUERIES), first.localize(Upload.of_bytes(CLIP), QUERIES)
    wait_until(lambda: second.knows_clip(new.clip_id))
    shared = second.localize(KnownClip(new.clip_id), QUERIES)
    assert [answer.cached for answer in (new, remembered, shared)] == [False, True, True]
    assert _answer_bytes(first, new) == _answer_bytes(first, remembered) == _answer_bytes(second, shared)
    assert second.cache.report().counts["lookups"]["redis", "hit"] == 1


def test_without_redis_each_replica_answers_from_its_memory(
    replicas: tuple[Engine, Engine], server: RedisServer
) -> None:
    first, second = replicas
    server.stop()
    new = first.localize(Upload.of_bytes(CLIP), QUERIES)
    assert _answer_bytes(first, first.localize(KnownClip(new.clip_id), QUERIES)) == _answer_bytes(first, new)
    assert _answer_bytes(second, second.localize(Upload.of_bytes(CLIP), QUERIES)) == _answer_bytes(first, new)
    assert (first.cache.degraded(), first.cache.report().counts["failures"]["get",]) == (["redis"], 1)
    with pytest.raises(ClipNotFound):
        first.localize(KnownClip("0" * 64), QUERIES)
    server.start()


def test_the_warning_about_a_redis_that_does_not_answer_hides_the_password(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    redis = RedisOptions(f"unix://:secret@{tmp_path}/none", ttl_s=60, value_bytes=10**6)
    with closing(open_cache(read_manifest(tiny_bundle), 10**6, redis)) as cache:
        assert cache.degraded() == ["redis"]
    (record,) = caplog.records
    assert record.message == "redis does not answer; clips are kept in memory"
    assert record.__dict__["url"] == f"unix://***@{tmp_path}/none"


def _open_cache_on(server: RedisServer, tiny_bundle: Path) -> EmbeddingCache:
    return open_cache(
        read_manifest(tiny_bundle), 10**6, RedisOptions(server.url, ttl_s=600, value_bytes=10**6), PATIENT
    )


def _fill(server: RedisServer) -> None:
    server.fill()


def _demand_password(server: RedisServer) -> None:
    server.client.config_set("requirepass", "secret")


@pytest.mark.parametrize(("trouble", "refusal"), [(_fill, "full"), (_demand_password, "permission")])
def test_a_redis_that_refuses_requests_at_the_start_is_reported_once(
    server: RedisServer,
    tiny_bundle: Path,
    trouble: Callable[[RedisServer], None],
    refusal: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    trouble(server)
    with closing(_open_cache_on(server, tiny_bundle)) as cache:
        assert cache.degraded() == ["redis"]
    (record,) = caplog.records
    assert record.message.startswith("redis refuses requests: ")
    assert record.__dict__["refusal"] == refusal


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RedisServer]:
    """A node of a Redis Cluster without any slot."""
    server = RedisServer(tmp_path, "--cluster-enabled", "yes")
    yield server
    server.stop()


def test_a_node_of_a_cluster_is_refused(node: RedisServer, tiny_bundle: Path) -> None:
    with pytest.raises(RedisUnusable, match=r"it is a node of a Redis Cluster.*EARMARK_REDIS_URL"):
        _open_cache_on(node, tiny_bundle)
    node.client.execute_command("CLUSTER ADDSLOTS", *range(8192))  # the other half belongs to another node
    node.client.config_set("cluster-require-full-coverage", "no")
    with pytest.raises(RedisUnusable, match="it is a node of a Redis Cluster"):
        _open_cache_on(node, tiny_bundle)


def test_a_cluster_of_one_node_works(node: RedisServer, tiny_bundle: Path) -> None:
    node.client.execute_command("CLUSTER ADDSLOTS", *range(16_384))
    wait_until(lambda: "fail" not in str(node.client.execute_command("CLUSTER INFO")).partition("cluster_slots")[0])
    with closing(_open_cache_on(node, tiny_bundle)) as cache:
        frames = np.eye(read_manifest(tiny_bundle).dimension, dtype=np.float16)[:1]
        cache.put("0" * 64, ClipEmbedding(frames, read_manifest(tiny_bundle).grid.hop_s))
        wait_until(lambda: node.client.execute_command("DBSIZE"))
        assert cache.degraded() == []


def test_a_sentinel_is_refused(tmp_path: Path, tiny_bundle: Path) -> None:
    configuration = tmp_path / "sentinel.conf"
    configuration.touch()
    sentinel = RedisServer(tmp_path, "--sentinel", configuration=configuration)
    try:
        with pytest.raises(RedisUnusable, match="it may be a Redis Sentinel"):
            _open_cache_on(sentinel, tiny_bundle)
    finally:
        sentinel.stop()
