import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from service.api.problems import MEDIA_TYPE
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio
URLENCODED, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.fixture(autouse=True)
def known_clip(engine: FakeEngine) -> None:
    engine.known.add("x")


def _queries(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [result["query"] for result in answer.json()["results"]]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"clip_id=x&query=a+dog%21&query=caf%C3%A9&threshold=0.8&curves=both"),
        (f"{URLENCODED}; charset=utf-8", "clip_id=x&query=a dog!&query=café&threshold=.8&&curves=both\r\n".encode()),
        (JSON, b'{"clip_id": "x", "query": ["a dog!", "caf\\u00e9"], "threshold": 0.8, "curves": "both"}'),
        (
            "Application/JSON ; charset=utf-8",
            '{"query":["a dog!","café"],"threshold":8e-1,"clip_id":"x","curves":"both"}',
        ),
    ],
)
async def test_a_known_clip_is_answered_from_a_form_or_an_object(
    client: httpx.AsyncClient, engine: FakeEngine, content_type: str, body: Any
) -> None:
    answer = await client.post("/localize", content=body, headers={"Content-Type": content_type})
    assert _queries(answer) == ["a dog!", "café"]
    assert {"score", "similarity"} < set(answer.json()["results"][0])
    assert engine.postprocessings[-1].threshold == 0.8


async def test_one_query_may_be_a_text_in_json(client: httpx.AsyncClient) -> None:
    assert _queries(await client.post("/localize", json={"clip_id": "x", "query": "a dog", "min_duration_s": 1})) == [
        "a dog"
    ]


@pytest.mark.parametrize(
    ("fields", "status", "name", "detail"),
    [
        ([("clip_id", "x")], 422, "queries-missing", "at least 1"),
        ([("clip_id", "x"), ("query", "")], 422, "query-empty", "query 1 is ''"),
        ([("clip_id", "x"), *[("query", "a")] * 4], 422, "too-many-queries", "4 queries; at most 3"),
        ([("clip_id", "x"), *[("query", "a")] * 40], 413, "too-many-fields", "EARMARK_MAX_QUERIES"),
        ([("clip_id", "x"), ("query", "a" * 41)], 422, "query-too-long", "41 characters"),
        ([("clip_id", "x"), ("query", "a" * 300)], 413, "field-too-large", "256 bytes"),
        ([("query", "a")], 422, "clip-unclear", "neither audio nor clip_id"),
        ([("clip_id", "y"), ("query", "a")], 404, "clip-not-found", "clip 'y'"),
        ([("clip_id", "x"), ("query", "a"), ("audio", "RIFF")], 422, "field-kind-wrong", "Content-Type: audio/wav"),
        ([("clip_id", "x"), ("query", "a"), ("treshold", "1")], 422, "field-unknown", "threshold_off"),
        ([("clip_id", "x"), ("query", "a"), ("curves", "all")], 422, "parameter-invalid", "score, similarity"),
    ],
)
async def test_the_errors_are_those_of_the_multipart_form(
    client: httpx.AsyncClient, fields: list[tuple[str, str]], status: int, name: str, detail: str
) -> None:
    members: dict[str, Any] = dict(fields)
    if queries := [value for key, value in fields if key == "query"]:
        members["query"] = queries
    for content_type, body in ((URLENCODED, urlencode(fields)), (JSON, json.dumps(members))):
        answer = await client.post("/localize", content=body, headers={"Content-Type": content_type})
        assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
        assert answer.json()["type"] == f"/problems/{name}"
        assert detail in answer.json()["detail"]


@pytest.mark.parametrize("content_type", [URLENCODED, JSON])
async def test_an_endless_body_of_texts_is_refused(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post("/localize", content=b" " * 200_000, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/fields-too-large")


@pytest.mark.parametrize("content_type", [URLENCODED, JSON, "audio/wav"])
async def test_an_encoded_body_is_refused(client: httpx.AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type, "Content-Encoding": "gzip"}
    answer = await client.post("/localize?query=a", content=b"x", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/form-malformed")


@pytest.mark.parametrize(
    "content_type", ["audio/wav", "Audio/MPEG; codecs=mp3", "video/webm", "application/ogg", "application/octet-stream"]
)
async def test_audio_can_be_the_body_with_the_fields_in_the_url(
    client: httpx.AsyncClient, engine: FakeEngine, content_type: str
) -> None:
    url = "/localize?query=a+dog&query=caf%C3%A9&threshold=0.8&curves=none"
    answer = await client.post(url, content=b"RIFF", headers={"Content-Type": content_type})
    assert _queries(answer) == ["a dog", "café"]
    assert answer.json()["clip"]["id"] == hashlib.sha256(b"RIFF").hexdigest()
    assert engine.postprocessings[-1].threshold == 0.8
    assert engine.clips[-1].closed


@pytest.mark.parametrize(
    ("url", "status", "name"),
    [
        ("/localize", 422, "queries-missing"),
        ("/localize?query=a&clip_id=x", 422, "clip-unclear"),
        ("/localize?query=a&treshold=1", 422, "field-unknown"),
        ("/localize?query=a&audio=x", 422, "field-kind-wrong"),
        ("/localize?query=a&curves=none&curves=both", 422, "field-repeated"),
        ("/localize?query=%ff", 422, "field-not-utf8"),
        ("/localize?query=" + "a" * 300, 413, "field-too-large"),
        ("/localize?" + "query=a&" * 40, 413, "too-many-fields"),
        ("/localize?query=a&threshold=high", 422, "parameter-invalid"),
    ],
)
async def test_fields_in_the_url_are_checked_as_those_of_a_form(
    client: httpx.AsyncClient, url: str, status: int, name: str
) -> None:
    answer = await client.post(url, content=b"RIFF", headers={"Content-Type": "audio/wav"})
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{name}")


@pytest.mark.parametrize("declared", [True, False])
async def test_an_audio_body_that_is_too_large_is_refused(client: httpx.AsyncClient, declared: bool) -> None:
    async def pieces():
        for _ in range(3):
            yield b"x" * 1_000

    content: Any = b"x" * 3_000 if declared else pieces()
    answer = await client.post("/localize?query=a", content=content, headers={"Content-Type": "audio/wav"})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/audio-too-large")


async def test_fields_of_the_url_are_added_to_those_of_a_form_and_others_ignored(client: httpx.AsyncClient) -> None:
    files = [("audio", ("a.wav", b"RIFF")), ("query", (None, "a dog"))]
    assert _queries(await client.post("/localize?query=rain&_=123", files=files)) == ["rain", "a dog"]
    answer = await client.post("/localize?curves=none", files=[*files, ("curves", (None, "both"))])
    assert answer.json()["type"] == "/problems/field-repeated"
