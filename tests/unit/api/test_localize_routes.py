import base64
import logging
import threading
import time
from collections import Counter

import anyio
import httpx
import numpy as np
import pytest

from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.conftest import Post, make_client
from tests.unit.api.fake_engine import FakeEngine
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


async def test_the_answer_has_the_documented_members(post: Post) -> None:
    answer = await post(("query", "rain"))
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    clip_id = body["clip"].pop("id")
    assert len(clip_id) == 64
    assert body == {
        "clip": {"duration_s": 0.15, "cached": False, "warnings": []},
        "model": {"name": "fake", "version": "2"},
        "hop_s": 0.04,
        "results": [
            {
                "query": "a dog barks",
                "warnings": [],
                "present": True,
                "clip_score": 0.9,
                "score": [0.1, 0.123457, 0.9, 0.8],
                "segments": [{"onset_s": 0.08, "offset_s": 0.15, "score": 0.9, "peak_s": 0.1}],
            },
            {
                "query": "rain",
                "warnings": [],
                "present": False,
                "clip_score": 0.9,
                "score": [0.1, 0.123457, 0.9, 0.8],
                "segments": [],
            },
        ],
    }


@pytest.mark.parametrize(
    ("curves", "present_curves"),
    [("score", {"score"}), ("similarity", {"similarity"}), ("both", {"score", "similarity"}), ("none", set())],
)
async def test_only_the_requested_curves_are_in_the_answer(post: Post, curves: str, present_curves: set[str]) -> None:
    result = (await post(("curves", curves))).json()["results"][0]
    assert set(result) & {"score", "similarity"} == present_curves


async def test_similarities_have_five_decimals(post: Post) -> None:
    result = (await post(("curves", "both"))).json()["results"][0]
    assert result["similarity"] == [-1.0, 0.0, 0.51235, 1.0]


async def test_curves_in_base64_are_the_same_numbers(post: Post) -> None:
    numbers = (await post(("curves", "both"))).json()["results"][0]
    texts = (await post(("curves", "both"), ("curve_format", "base64"))).json()["results"][0]
    for curve in ("score", "similarity"):
        decoded = np.frombuffer(base64.b64decode(texts[curve]), "<f4")
        np.testing.assert_array_equal(decoded, np.array(numbers[curve], np.float32))


async def test_parameters_reach_the_engine(post: Post, engine: FakeEngine) -> None:
    await post(
        ("threshold", "0.8"),
        ("threshold_off", ".4"),
        ("min_duration_s", "1"),
        ("merge_gap_s", "2e-1"),
        ("extent_ratio", "0.4"),
    )
    (used,) = engine.postprocessings
    assert (used.threshold, used.threshold_off, used.min_duration_s, used.merge_gap_s, used.extent_ratio) == (
        0.8,
        0.4,
        1.0,
        0.2,
        0.4,
    )
    assert used.median_filter_s == 0.2


async def test_a_known_clip_needs_no_upload(post: Post, client: httpx.AsyncClient) -> None:
    first = (await post()).json()
    second = (await post(("clip_id", first["clip"]["id"]), audio=None)).json()
    assert second["clip"] == first["clip"] | {"cached": True}
    assert (await client.head(f"/clips/{first['clip']['id']}")).status_code == 204
    assert (await client.head("/clips/other")).status_code == 404


async def test_queries_may_hold_any_characters(post: Post) -> None:
    query = 'Hündchen 犬 🐕 {} \\ " <b>'
    assert (await post(query=query)).json()["results"][0]["query"] == query


async def test_other_requests_are_answered_while_a_clip_is_localized(
    post: Post, engine: FakeEngine, client: httpx.AsyncClient
) -> None:
    began, done = threading.Event(), threading.Event()

    def wait() -> None:
        began.set()
        assert done.wait(PATIENCE_S)

    engine.before = wait
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post)
        assert await anyio.to_thread.run_sync(began.wait, PATIENCE_S)
        try:
            assert (await client.get("/livez")).json() == {"status": "alive"}
            assert (await client.get("/readyz")).json() == {"status": "ready"}
        finally:
            done.set()
    assert threading.get_ident() not in engine.threads


async def test_a_request_beyond_the_limit_is_refused_at_once_with_the_time_to_retry() -> None:
    engine, began, done = FakeEngine(), threading.Semaphore(0), threading.Event()

    def wait() -> None:
        began.release()
        assert done.wait(PATIENCE_S)

    engine.before = wait
    async with make_client(engine, Settings(max_requests=2)) as client, anyio.create_task_group() as tasks:
        for number in range(2):
            tasks.start_soon(post_upload, client, b"%d" % number)
            assert await anyio.to_thread.run_sync(lambda: began.acquire(timeout=PATIENCE_S))
        try:
            refused = await post_upload(client, b"x")
            known = await client.get("/livez")
        finally:
            done.set()
    assert (refused.status_code, refused.headers["retry-after"], known.status_code) == (429, "1", 200)
    assert refused.json() == {
        "type": "/problems/too-many-requests",
        "title": "Too many requests at the same time",
        "status": 429,
        "detail": "2 requests are in progress; at most 2 are accepted at a time; try again in 1 s (EARMARK_MAX_REQUESTS)",
        "limit": 2,
        "retry_after_s": 1,
        "setting": "EARMARK_MAX_REQUESTS",
    }


async def post_upload(client: httpx.AsyncClient, clip: bytes) -> httpx.Response:
    return await client.post("/localize", files=[("audio", ("a", clip)), ("query", (None, "dog"))])


async def test_a_request_that_would_wait_too_long_is_refused_with_the_time_to_retry(engine: FakeEngine) -> None:
    engine.batcher.ahead_s = 7.25
    async with make_client(engine, Settings(max_wait_s=7)) as client:
        refused = await post_upload(client, b"x")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "4")
    assert refused.json() == {
        "type": "/problems/wait-too-long",
        "title": "Too much work is ahead of the request",
        "status": 429,
        "detail": "the request would wait 7.2 s; at most 7 s is accepted; try again in 4 s (EARMARK_MAX_WAIT_S)",
        "limit": 7,
        "wait_s": 7.2,
        "retry_after_s": 4,
        "setting": "EARMARK_MAX_WAIT_S",
    }


async def test_no_wait_beyond_the_deadline_is_accepted(engine: FakeEngine) -> None:
    engine.batcher.ahead_s = 3.5
    async with make_client(engine, Settings(request_timeout_s=2.5)) as client:
        refused = await post_upload(client, b"x")
    assert (refused.status_code, refused.json()["limit"]) == (429, 3)


async def test_a_long_clip_on_an_idle_service_is_never_refused_for_its_own_work(engine: FakeEngine) -> None:
    engine.n_windows = 10_000
    async with make_client(engine, Settings(max_wait_s=1)) as client:
        assert (await post_upload(client, b"x")).status_code == 200


async def test_two_hundred_clips_at_once_are_all_answered(engine: FakeEngine) -> None:
    running, most = list[int](), list[int]()

    def work() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.001)
        running.pop()

    engine.before = work
    statuses = Counter[int]()
    await burst(engine, Settings(), 200, statuses)
    assert statuses == Counter({200: 200})
    assert max(most) <= 8  # the others wait in the event loop
    assert engine.batcher.n_expected == 0


async def test_the_wait_decides_how_many_clips_of_a_burst_are_admitted(engine: FakeEngine) -> None:
    engine.batcher.window_s, done = 0.1, threading.Event()
    engine.before = lambda: done.wait(PATIENCE_S)
    statuses = Counter[int]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(burst, engine, Settings(max_wait_s=3), 200, statuses)
        with anyio.fail_after(PATIENCE_S):
            while sum(statuses.values()) < 169:
                await anyio.sleep(0.01)
        done.set()
    assert statuses == Counter({429: 169, 200: 31})  # the last one waits for 30 windows of 0.1 s
    assert engine.batcher.n_expected == 0


async def burst(engine: FakeEngine, settings: Settings, number: int, statuses: Counter[int]) -> None:
    async with make_client(engine, settings) as client, anyio.create_task_group() as tasks:

        async def post(clip: bytes) -> None:
            statuses[(await post_upload(client, clip)).status_code] += 1

        for index in range(number):
            tasks.start_soon(post, b"%d" % index)


async def test_an_upload_beyond_the_limit_of_bytes_in_flight_is_refused() -> None:
    async with make_client(FakeEngine(), Settings(max_bytes_in_flight=1024)) as client:
        answer = await client.post("/localize", files=[("audio", ("a", b"x" * 2000)), ("query", (None, "dog"))])
    assert (answer.status_code, answer.json()["setting"]) == (429, "EARMARK_MAX_BYTES_IN_FLIGHT")


async def test_during_the_shutdown_new_requests_get_503(engine: FakeEngine) -> None:
    shutdown = Shutdown()
    async with make_client(engine, Settings(), shutdown) as client:
        shutdown.begin()
        localized = await client.post("/localize", files=[("audio", ("a", b"x")), ("query", (None, "dog"))])
        ready, alive = await client.get("/readyz"), await client.get("/livez")
    assert [(a.status_code, a.json()["type"]) for a in (localized, ready)] == [(503, "/problems/ending")] * 2
    assert "retry-after" in localized.headers
    assert alive.status_code == 200


async def test_a_request_that_takes_too_long_gets_504_and_leaves_readiness_alone(engine: FakeEngine) -> None:
    engine.before = lambda: time.sleep(1.1)  # by then the deadline has passed, and the upload took far less
    async with make_client(engine, Settings(request_timeout_s=1)) as client:
        await client.get("/readyz")
        answer = await client.post("/localize", files=[("audio", ("a", b"x")), ("query", (None, "dog"))])
        await client.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (504, "/problems/deadline-exceeded")
    assert "EARMARK_REQUEST_TIMEOUT_S" in answer.json()["detail"]
    assert engine.n_checks == 1


async def test_the_server_timing_header_lists_the_stages(post: Post) -> None:
    timing = (await post()).headers["server-timing"]
    assert [part.split(";dur=")[0] for part in timing.split(", ")] == [
        "upload",
        "decode",
        "cache",
        "queue",
        "inference",
        "post",
    ]


async def test_the_clips_file_is_closed_afterwards(post: Post, engine: FakeEngine) -> None:
    await post()
    engine.before = lambda: 1 / 0
    await post()
    assert [clip.closed for clip in engine.clips] == [True, True]


async def test_neither_queries_nor_file_names_are_logged(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await post(query="a secret dog")
    await post(("threshold", "secret"))
    lines = [str(vars(record)) for record in caplog.records if not record.name.startswith("httpx")]
    assert len(lines) == 2
    assert not any("secret" in line or "clip.wav" in line for line in lines)


async def test_the_request_line_has_stages_audio_seconds_queries_and_cached(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await post(("query", "a siren"))
    (line,) = (vars(record) for record in caplog.records if record.message == "request")
    assert (line["outcome"], line["n_queries"], line["cached"]) == ("ok", 2, False)
    assert line["audio_s"] > 0
    stages = ["upload", "decode", "cache", "queue", "inference", "post"]
    assert all(0 <= line[f"{stage}_ms"] <= line["duration_ms"] for stage in stages)


async def test_the_line_of_a_failed_request_tells_where_the_time_went(
    post: Post, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine.before = lambda: 1 / 0
    await post()
    await post(("threshold", "secret"))
    crash, refusal = (vars(record) for record in caplog.records if record.message == "request")
    assert (crash["outcome"], crash["n_queries"]) == ("internal-error", 1)
    assert refusal["outcome"] == "parameter-invalid"
    assert crash["upload_ms"] > 0
    assert refusal["upload_ms"] > 0
