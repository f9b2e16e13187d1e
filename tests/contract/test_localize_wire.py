"""The wire of POST /localize, with a real engine behind it."""

import struct
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
from service.shutdown import Shutdown
from tests.clips import encoded, tones, wav
from tests.tiny_bundle import HOP_SAMPLES, OVERLAP_FRAMES, SAMPLE_RATE_HZ, TONES_HZ, WINDOW_FRAMES

pytestmark = pytest.mark.anyio

RATE_HZ = 44_100


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(tiny_bundle: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(max_clip_s=20, intra_op_threads=1)
    engine = open_engine(tiny_bundle, engine_options(settings))
    app = create_app(engine, settings, version="0", shutdown=Shutdown())
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


def _wave(rate_hz: int, channels: int, data: bytes) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * channels * 2 % 2**32, channels * 2, 16)
    return b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", len(data)) + data


def _form(audio: bytes | None, *fields: tuple[str, str]) -> list[tuple[str, Any]]:
    clip: list[tuple[str, Any]] = [("audio", ("clip", audio))] if audio is not None else []
    return [*clip, *[(name, (None, value)) for name, value in fields]]


BOTH = [("query", "low"), ("query", "high"), ("curves", "both")]


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
async def test_a_tone_is_localized_at_its_time(client: httpx.AsyncClient, container: str) -> None:
    answer = await client.post("/localize", files=_form(_clip(container=container), *BOTH))
    assert answer.status_code == 200, answer.text
    low, high = answer.json()["results"]
    (segment,) = low["segments"]
    assert segment["onset_s"] == pytest.approx(1, abs=0.1)
    assert segment["offset_s"] == pytest.approx(2, abs=0.1)
    assert segment["onset_s"] < segment["peak_s"] < segment["offset_s"]
    assert (low["present"], high["present"], high["segments"]) == (True, False, [])


async def test_the_answer_fits_its_openapi_schema(client: httpx.AsyncClient) -> None:
    answer = await client.post("/localize", files=_form(_clip(), *BOTH))
    parsed = LocalizeOut.model_validate_json(answer.content, strict=True)
    assert parsed.model_dump(exclude_unset=True) == answer.json()


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


async def test_curves_that_were_not_requested_are_absent(client: httpx.AsyncClient) -> None:
    fields = [("query", "low"), ("curves", "none")]
    (result,) = (await client.post("/localize", files=_form(_clip(), *fields))).json()["results"]
    assert set(result) == {"query", "warnings", "present", "clip_score", "segments"}


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


HOSTILE = {
    "2 GHz": (_wave(2_000_000_000, 1, bytes(400)), 415, "audio-unsupported"),
    "0 Hz": (_wave(0, 1, bytes(400)), 422, "audio-undecodable"),
    "1024 channels": (_wave(16_000, 1024, bytes(4096)), 415, "audio-unsupported"),
    "no channel": (_wave(16_000, 0, bytes(400)), 422, "audio-undecodable"),
    "ADPCM": (encoded(tones([], 1), subtype="IMA_ADPCM"), 415, "audio-unsupported"),
    "NaN": (wav(np.full(1_000, np.nan, np.float32)), 422, "audio-not-finite"),
    "a bomb": (encoded(np.zeros(16_000 * 600, np.float32), container="FLAC"), 413, "audio-too-long"),
    "no sample": (wav(np.zeros(0, np.float32)), 422, "audio-empty"),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_clip_is_a_problem_that_describes_the_clip(client: httpx.AsyncClient, kind: str) -> None:
    audio, status, name = HOSTILE[kind]
    answer = await client.post("/localize", files=_form(audio, ("query", "low")))
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{name}")
    assert answer.json()["detail"].startswith("clip ")


@pytest.mark.parametrize("query", ["low\0tone", "🐕 low", "犬", "\n low \r", "[PAD]", "a" * 512, "\u202elow"])
async def test_any_text_with_a_word_is_a_query(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.post("/localize", files=_form(_clip(), ("query", query)))
    (result,) = answer.json()["results"]
    assert result["query"] == query
    assert all(0 <= score <= 1 for score in result["score"])


WINDOW_SAMPLES, STEP_SAMPLES = WINDOW_FRAMES * HOP_SAMPLES, (WINDOW_FRAMES - OVERLAP_FRAMES) * HOP_SAMPLES
LENGTHS = sorted(
    {1, 160, *(n + d for n in (HOP_SAMPLES, WINDOW_SAMPLES, WINDOW_SAMPLES + STEP_SAMPLES) for d in (-1, 0, 1))}
)


@pytest.mark.parametrize("n_samples", LENGTHS)
@pytest.mark.parametrize("sounding", [True, False])
async def test_a_clip_of_any_length_has_its_frames_and_no_segment_outside(
    client: httpx.AsyncClient, n_samples: int, sounding: bool
) -> None:
    waveform = tones([("low", 0, 9)] if sounding else [], n_samples / SAMPLE_RATE_HZ)
    fields = [*BOTH, ("min_duration_s", "0"), ("median_filter_s", "0")]
    body = (await client.post("/localize", files=_form(wav(waveform), *fields))).json()
    low, high = body["results"]
    assert body["clip"]["duration_s"] == pytest.approx(n_samples / SAMPLE_RATE_HZ, abs=1e-6)
    assert len(low["score"]) == len(low["similarity"]) == ceil(n_samples / HOP_SAMPLES)
    assert np.isfinite([low["score"], low["similarity"], high["score"]]).all()
    assert not high["segments"]
    if not sounding:
        assert not low["segments"]
    elif n_samples >= HOP_SAMPLES:
        assert (low["segments"][0]["onset_s"], low["segments"][-1]["offset_s"]) in {
            (0, body["clip"]["duration_s"]),
            (0, HOP_SAMPLES * (n_samples // HOP_SAMPLES) / SAMPLE_RATE_HZ),  # a last frame of one sample is silent
        }


async def test_the_service_is_ready_and_reports_its_limits(client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    info = (await client.get("/info")).json()
    assert info["provider"] == "CPUExecutionProvider"
    assert info["limits"]["max_clip_s"] == 20
