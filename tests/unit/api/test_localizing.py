import logging
import threading

import anyio
import httpx
import pytest
from starlette.requests import ClientDisconnect, Request

from service.api.workers import Workers
from service.settings import Settings
from tests.unit.api.conftest import Post, make_client
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio


async def test_the_answer_is_the_one_of_the_design(post: Post) -> None:
    answer = await post(("query", "rain"))
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    clip_id = body["clip"].pop("id")
    assert len(clip_id) == 64
    assert body == {
        "clip": {"duration_s": 0.15, "cached": False},
        "model": {"name": "fake", "version": "2"},
        "hop_s": 0.04,
        "results": [
            {
                "query": "a dog barks",
                "present": True,
                "clip_score": 0.9,
                "score": [0.1, 0.123457, 0.9, 0.8],
                "segments": [{"onset_s": 0.08, "offset_s": 0.15, "score": 0.9, "peak_s": 0.1}],
            },
            {
                "query": "rain",
                "present": False,
                "clip_score": 0.9,
                "score": [0.1, 0.123457, 0.9, 0.8],
                "segments": [],
            },
        ],
    }


@pytest.mark.parametrize(
    ("curves", "told"),
    [("score", {"score"}), ("similarity", {"similarity"}), ("both", {"score", "similarity"}), ("none", set())],
)
async def test_only_the_curves_that_are_asked_for_are_told(post: Post, curves: str, told: set[str]) -> None:
    result = (await post(("curves", curves))).json()["results"][0]
    assert set(result) & {"score", "similarity"} == told


async def test_similarities_have_five_decimals(post: Post) -> None:
    result = (await post(("curves", "both"))).json()["results"][0]
    assert result["similarity"] == [-1.0, 0.0, 0.51235, 1.0]


async def test_parameters_reach_the_engine(post: Post, engine: FakeEngine) -> None:
    await post(("threshold", "0.8"), ("threshold_off", ".4"), ("min_duration_s", "1"), ("merge_gap_s", "2e-1"))
    (used,) = engine.postprocessings
    assert (used.threshold, used.threshold_off, used.min_duration_s, used.merge_gap_s) == (0.8, 0.4, 1.0, 0.2)
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
        assert done.wait(10)

    engine.before = wait
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post)
        assert await anyio.to_thread.run_sync(began.wait, 10)
        try:
            assert (await client.get("/livez")).json() == {"status": "alive"}
            assert (await client.get("/readyz")).json() == {"status": "ready"}
        finally:
            done.set()
    assert threading.get_ident() not in engine.threads


async def test_no_more_clips_are_localized_at_once_than_allowed() -> None:
    engine, active, most = FakeEngine(), [0], [0]
    lock, third_waits = threading.Lock(), threading.Event()

    def count() -> None:
        with lock:
            active[0] += 1
            most[0] = max(most[0], active[0])
        third_waits.wait(0.05)
        with lock:
            active[0] -= 1

    engine.before = count
    async with (
        make_client(engine, Settings(concurrency=2)) as client,
        anyio.create_task_group() as tasks,
    ):

        async def ask() -> None:
            await client.post("/localize", files=[("audio", ("a", b"x")), ("query", (None, "dog"))])

        for _ in range(6):
            tasks.start_soon(ask)
    assert most == [2]


async def test_a_client_that_went_away_while_it_waited_is_not_worked_for() -> None:
    async def gone() -> dict[str, object]:
        return {"type": "http.disconnect"}

    request = Request({"type": "http"}, receive=gone)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ClientDisconnect):
        await Workers(1).run(request, lambda: pytest.fail("it was worked for"))


async def test_the_stages_are_told_in_the_server_timing_header(post: Post) -> None:
    timing = (await post()).headers["server-timing"]
    assert [part.split(";dur=")[0] for part in timing.split(", ")] == ["upload", "queue", "localize", "encode"]


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
