"""The client for asyncio against the real API with a fake engine."""

import asyncio
import io

import httpx
import pytest

from service.client import AsyncClient, problems
from service.client.errors import ServiceUnreachable
from tests.unit.client.service import EngineWithIds, make_http


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


async def test_an_answer_has_typed_results() -> None:
    async with make_http() as http, AsyncClient(http=http) as client:
        localization = await client.localize(b"RIFF", ["a dog barks", "rain"], curves="both")
        assert [result.present for result in localization] == [True, False]
        assert [segment.query for segment in localization.segments] == ["a dog barks"]
        score = localization["rain"].score
        assert score is not None
        assert score.tolist() == pytest.approx([0.1, 0.123457, 0.9, 0.8], abs=1e-6)
        assert localization.frame_edges_s.tolist() == pytest.approx([0, 0.04, 0.08, 0.12, 0.15])


async def test_the_audio_of_a_known_clip_is_not_sent_again() -> None:
    engine = EngineWithIds()
    async with make_http(engine) as http, AsyncClient(http=http) as client:
        first = await client.localize(io.BytesIO(b"RIFF"), "rain")
        second = await client.localize(b"RIFF", "a dog barks")
        assert (first.clip.cached, second.clip.cached) == (False, True)
        assert first.clip.id == second.clip.id
        assert len(engine.clips) == 1
        assert await client.knows(first.clip.id)
        assert not await client.knows("0" * 64)
        assert (await client.info())["model"]["name"] == "fake"


async def test_problems_are_exceptions_with_their_data() -> None:
    async with make_http(max_upload_bytes=2048) as http, AsyncClient(http=http) as client:
        with pytest.raises(problems.AudioTooLarge) as error:
            await client.localize(bytes(4096), "rain")
        assert error.value.data == {"limit_bytes": 2048}
        assert error.value.setting == "EARMARK_MAX_UPLOAD_BYTES"
        assert error.value.request_id
        with pytest.raises(problems.QueryError, match=r"query 1 is .*, which has no word"):
            await client.localize(b"RIFF", "?!")


async def test_many_clips_come_in_order_with_their_errors() -> None:
    engine = EngineWithIds()
    async with make_http(engine) as http, AsyncClient(http=http) as client:
        clips = [b"one", b"", *(f"clip {number}".encode() for number in range(40))]
        outcomes = [outcome async for outcome in client.localize_many(clips, "a dog barks", n_parallel=3)]
        assert [outcome.clip for outcome in outcomes] == clips
        assert [outcome.error is None for outcome in outcomes] == [True, False] + [True] * 40


async def test_stopping_early_cancels_the_other_clips() -> None:
    async with make_http() as http, AsyncClient(http=http) as client:
        outcomes = client.localize_many([str(number).encode() for number in range(99)], "rain", n_parallel=2)
        async for _ in outcomes:
            break
        await outcomes.aclose()
        assert len(asyncio.all_tasks()) <= 2


async def test_a_service_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async def pause(seconds: float) -> None: ...

    monkeypatch.setattr("asyncio.sleep", pause)
    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        with pytest.raises(ServiceUnreachable, match=r"http://127\.0\.0\.1:8000/info: refused"):
            await AsyncClient(http=http).localize(b"RIFF", "rain")
