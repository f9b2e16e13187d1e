"""The wire of POST /localize, with a real engine behind it."""

from collections.abc import AsyncIterator
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from service.api.schemas import LocalizeOut
from service.app import create_app
from service.engine.engine import open_engine
from service.settings import Settings, engine_options
from tests.tiny_bundle import TONES_HZ

pytestmark = pytest.mark.anyio

RATE_HZ = 44_100


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(tiny_bundle: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(max_clip_s=20, intra_op_threads=1)
    engine = open_engine(tiny_bundle, engine_options(settings))
    app = create_app(engine, settings, version="0")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark") as client:
        yield client
    engine.close()


def _clip(seconds: float = 3.03, container: str = "WAV") -> bytes:
    """A low tone from 1 to 2 s, in stereo."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tone = np.where((time_s >= 1) & (time_s < 2), np.sin(2 * np.pi * TONES_HZ["low"] * time_s), 0) / 2
    file = BytesIO()
    soundfile.write(file, np.stack([tone, tone], axis=1), RATE_HZ, format=container)
    return file.getvalue()


def _form(audio: bytes | None, *fields: tuple[str, str]) -> list[tuple[str, Any]]:
    clip: list[tuple[str, Any]] = [("audio", ("clip", audio))] if audio is not None else []
    return [*clip, *[(name, (None, value)) for name, value in fields]]


BOTH = [("query", "low"), ("query", "high"), ("curves", "both")]


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
async def test_a_tone_is_found_where_it_is(client: httpx.AsyncClient, container: str) -> None:
    answer = await client.post("/localize", files=_form(_clip(container=container), *BOTH))
    assert answer.status_code == 200, answer.text
    low, high = answer.json()["results"]
    (segment,) = low["segments"]
    assert segment["onset_s"] == pytest.approx(1, abs=0.1)
    assert segment["offset_s"] == pytest.approx(2, abs=0.1)
    assert segment["onset_s"] < segment["peak_s"] < segment["offset_s"]
    assert (low["present"], high["present"], high["segments"]) == (True, False, [])


async def test_the_answer_is_what_openapi_says(client: httpx.AsyncClient) -> None:
    answer = await client.post("/localize", files=_form(_clip(), *BOTH))
    told = LocalizeOut.model_validate_json(answer.content, strict=True)
    assert told.model_dump(exclude_unset=True) == answer.json()


async def test_curves_have_a_value_for_each_frame_and_end_with_the_clip(client: httpx.AsyncClient) -> None:
    body = (await client.post("/localize", files=_form(_clip(), *BOTH))).json()
    n_frames = ceil(body["clip"]["duration_s"] / body["hop_s"])
    assert body["clip"]["duration_s"] == pytest.approx(3.03, abs=1e-4)
    for result in body["results"]:
        assert len(result["score"]) == len(result["similarity"]) == n_frames
        assert max(result["score"]) == result["clip_score"]


async def test_a_known_clip_gives_the_same_answer_without_its_audio(client: httpx.AsyncClient) -> None:
    first = (await client.post("/localize", files=_form(_clip(), *BOTH))).json()
    known = ("clip_id", first["clip"]["id"])
    second = (await client.post("/localize", files=_form(None, known, *BOTH))).json()
    assert second["clip"] == first["clip"] | {"cached": True}
    assert second["results"] == first["results"]
    assert (await client.head(f"/clips/{first['clip']['id']}")).status_code == 204


async def test_curves_that_are_not_asked_for_are_absent(client: httpx.AsyncClient) -> None:
    fields = [("query", "low"), ("curves", "none")]
    (result,) = (await client.post("/localize", files=_form(_clip(), *fields))).json()["results"]
    assert set(result) == {"query", "present", "clip_score", "segments"}


@pytest.mark.parametrize(
    ("audio", "status", "name"),
    [
        (b"", 422, "audio-empty"),
        (b"no audio at all", 415, "audio-unsupported"),
        (_clip()[:30], 415, "audio-unsupported"),
        (b"fLaC" + bytes(40), 422, "audio-undecodable"),
        (_clip(20.5, "FLAC"), 413, "audio-too-long"),
    ],
)
async def test_a_clip_that_cannot_be_used_is_a_problem(
    client: httpx.AsyncClient, audio: bytes, status: int, name: str
) -> None:
    answer = await client.post("/localize", files=_form(audio, ("query", "low")))
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{name}")


async def test_the_service_is_ready_and_tells_its_limits(client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    info = (await client.get("/info")).json()
    assert info["provider"] == "CPUExecutionProvider"
    assert info["limits"]["max_clip_s"] == 20
