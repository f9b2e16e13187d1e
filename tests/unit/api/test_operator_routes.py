import re

import httpx
import pytest

from service.engine.caching.reporting import CacheCounts
from service.engine.caching.tiers import EmbeddingCache, clip_memory
from service.engine.clip_embedding import ClipEmbedding
from service.settings import Settings
from tests.unit.api.conftest import Post, make_client
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio


async def test_readiness_is_checked_once_by_a_forward_pass(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    for _ in range(3):
        assert (await client.get("/readyz")).json() == {"status": "ready"}
    assert engine.n_checks == 1


class BrokenTier:
    """A shared tier of the cache that never works."""

    in_use = False

    def get(self, clip_id: str) -> None: ...

    def put(self, clip_id: str, embedding: ClipEmbedding) -> None: ...

    def contains(self, clip_id: str) -> bool:
        return False

    def answers(self) -> bool:
        return False

    def close(self) -> None: ...


async def test_a_redis_that_does_not_answer_is_told_but_the_service_is_ready(
    engine: FakeEngine, settings: Settings
) -> None:
    engine.cache = EmbeddingCache(clip_memory(0), BrokenTier(), CacheCounts())
    async with make_client(engine, settings) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "degraded": ["redis"]})
        assert (await client.head("/readyz")).status_code == 200


async def test_metrics_tell_what_the_cache_did(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.cache.get("a")
    series = _series((await client.get("/metrics")).text)
    assert series['earmark_cache_lookups_total{outcome="miss",tier="memory"}'] == 1
    assert series['earmark_cache_lookups_total{outcome="hit",tier="redis"}'] == 0
    assert series['earmark_redis_failures_total{operation="get"}'] == 0
    assert series['earmark_redis_drops_total{reason="queue_full"}'] == 0
    assert series["earmark_cache_evictions_total"] == series["earmark_redis_bad_values_total"] == 0
    assert series["earmark_cache_bytes"] == series["earmark_redis_in_use"] == 0


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probes_may_ask_for_the_head_only(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.head(path)).status_code == 200


async def test_the_documentation_needs_no_other_host(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    loaded = re.findall(r"""(?:src|href|url)(?:=|: )["']([^"']+)""", page)
    assert {path.rsplit("/")[-1] for path in loaded} >= {"swagger-ui-bundle.js", "swagger-ui.css", "openapi.json"}
    for path in loaded:
        assert path.startswith("/")
        assert (await client.get(path)).status_code == 200


async def test_a_crash_makes_readiness_be_checked_again(
    client: httpx.AsyncClient, post: Post, engine: FakeEngine
) -> None:
    await client.get("/readyz")
    engine.before, engine.healthy = lambda: 1 / 0, False
    await post()
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/not-ready"
    assert answer.headers["retry-after"] == "5"
    assert "secret" not in answer.text
    assert (await client.get("/livez")).status_code == 200
    engine.healthy = True
    assert (await client.get("/readyz")).status_code == 200
    assert engine.n_checks == 3


async def test_a_clients_error_leaves_readiness_alone(
    client: httpx.AsyncClient, post: Post, engine: FakeEngine
) -> None:
    await client.get("/readyz")
    await post(query="")
    await client.get("/readyz")
    assert engine.n_checks == 1


async def test_info_tells_the_model_the_defaults_and_the_limits(client: httpx.AsyncClient) -> None:
    info = (await client.get("/info")).json()
    assert info["version"] == "0"
    assert (info["provider"], info["node_shares"]) == ("FakeProvider", {"FakeProvider": 1.0})
    assert info["model"] == {
        "name": "fake",
        "version": "2",
        "licences": ["Apache-2.0"],
        "trained_on": ["nothing"],
        "sample_rate_hz": 16_000,
        "hop_s": 0.04,
        "window_s": 10.0,
        "overlap_s": 2.0,
        "dimension": 8,
    }
    assert info["defaults"] == {
        "threshold": 0.5,
        "threshold_off": 0.3,
        "median_filter_s": 0.2,
        "extent_ratio": 1.0,
        "min_duration_s": 0.1,
        "merge_gap_s": 0.1,
        "curves": "score",
        "curve_format": "json",
    }
    assert info["limits"] == {
        "max_clip_s": 3600.0,
        "max_upload_bytes": 2048,
        "max_queries": 3,
        "max_query_chars": 40,
        "max_requests": 64,
        "request_timeout_s": 300.0,
    }
    assert "FLAC" in info["accepted_audio"]


def _series(text: str) -> dict[str, float]:
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs if not name.split("{")[0].endswith("_created")}


async def test_metrics_count_requests_clips_and_stages(client: httpx.AsyncClient, post: Post) -> None:
    await post()
    await post(("query", "rain"))
    await post(query="")
    await client.get("/nowhere")
    series = _series((await client.get("/metrics")).text)
    assert series['earmark_requests_total{route="/localize",status="200"}'] == 2
    assert series['earmark_requests_total{route="/localize",status="422"}'] == 1
    assert series['earmark_requests_total{route="other",status="404"}'] == 1
    assert series['earmark_clips_total{cached="true"}'] == 1
    assert series['earmark_clips_total{cached="false"}'] == 1
    assert series["earmark_queries_sum"] == 3
    assert series["earmark_clip_seconds_count"] == 2
    assert series['earmark_stage_seconds_count{stage="inference"}'] == 2
    assert series['earmark_request_seconds_count{route="/localize"}'] == 3
    assert series["earmark_requests_in_flight"] == 1
    assert series['earmark_model_info{name="fake",provider="FakeProvider",version="2"}'] == 1
    assert series["earmark_ready"] == 0


async def test_no_series_appears_only_after_the_first_request(client: httpx.AsyncClient, post: Post) -> None:
    before = _series((await client.get("/metrics")).text)
    await post()
    await post(query="")
    await client.get("/readyz")
    await client.get("/info")
    await client.get("/nowhere")
    await client.get("/problems/audio-empty")
    await client.head("/clips/x")
    after = _series((await client.get("/metrics")).text)
    assert set(after) == set(before)
    assert all(name.startswith("earmark_") for name in after)


async def test_a_scanner_makes_no_new_series(client: httpx.AsyncClient) -> None:
    for path in ("/a", "/b", "/problems/c", "/clips/d"):
        await client.get(path)
    text = (await client.get("/metrics")).text
    assert not re.search(r'route="/(a|b|problems/c|clips/d)"', text)


@pytest.mark.parametrize(("came", "kept"), [("abc-1.2_3", True), ("", False), ("a b", False), ("a" * 65, False)])
async def test_a_request_keeps_its_id_if_it_is_a_fit_one(client: httpx.AsyncClient, came: str, kept: bool) -> None:
    told = (await client.get("/livez", headers={"X-Request-ID": came})).headers["x-request-id"]
    assert (told == came) is kept
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", told)


async def test_a_client_that_goes_away_while_it_sends_is_counted_and_crashes_nothing(
    client: httpx.AsyncClient, engine: FakeEngine
) -> None:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/localize",
        "raw_path": b"/localize",
        "query_string": b"",
        "headers": [(b"content-type", b"multipart/form-data; boundary=b")],
    }
    await transport.app(scope, receive, send)  # pyright: ignore[reportArgumentType]
    assert sent == []
    series = _series((await client.get("/metrics")).text)
    assert series['earmark_requests_total{route="/localize",status="499"}'] == 1
    await client.get("/readyz")
    assert engine.n_checks == 1
