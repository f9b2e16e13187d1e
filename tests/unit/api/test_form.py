import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.api.problems import MEDIA_TYPE
from service.settings import Settings
from tests.unit.api.conftest import Post, make_client
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio

AUDIO = ("audio", ("clip.wav", b"RIFF"))
QUERY = ("query", (None, "a dog barks"))


def _text(name: str, value: str | bytes) -> tuple[str, Any]:
    return name, (None, value)


@pytest.mark.parametrize(
    ("parts", "status", "name", "detail"),
    [
        ([AUDIO], 422, "queries-missing", "at least 1"),
        ([AUDIO, _text("query", "")], 422, "query-empty", "query 1 is ''"),
        ([AUDIO, QUERY, _text("query", " ?! ")], 422, "query-empty", "query 2"),
        (
            [AUDIO, *[QUERY] * 4],
            422,
            "too-many-queries",
            "the request has 4 queries; at most 3",
        ),
        ([AUDIO, *[QUERY] * 40], 413, "too-many-fields", "EARMARK_MAX_QUERIES"),
        ([AUDIO, _text("query", "a" * 41)], 422, "query-too-long", "41 characters"),
        ([AUDIO, _text("query", "a" * 300)], 413, "field-too-large", "256 bytes"),
        ([AUDIO, _text("query", b"caf\xe9")], 422, "field-not-utf8", "query"),
        ([QUERY], 422, "clip-unclear", "neither audio nor clip_id"),
        ([AUDIO, QUERY, _text("clip_id", "x")], 422, "clip-unclear", "both audio and clip_id"),
        ([QUERY, _text("clip_id", "x")], 404, "clip-not-found", "clip 'x'"),
        ([AUDIO, AUDIO, QUERY], 422, "field-repeated", "audio"),
        ([AUDIO, QUERY, *[_text("threshold", "0.5")] * 2], 422, "field-repeated", "threshold"),
        ([_text("audio", "clip.wav"), QUERY], 422, "field-kind-wrong", "-F audio=@clip.wav"),
        ([AUDIO, ("query", ("q.txt", b"a dog"))], 422, "field-kind-wrong", "-F query=..."),
        ([AUDIO, QUERY, _text("treshold", "0.5")], 422, "field-unknown", "threshold_off"),
        ([AUDIO, QUERY, _text("url", "http://localhost/")], 422, "field-unknown", "url"),
        ([AUDIO, QUERY, _text("threshold", "NaN")], 422, "parameter-invalid", "threshold is 'NaN'"),
        ([AUDIO, QUERY, _text("threshold", "1e999")], 422, "parameter-invalid", "threshold is inf"),
        ([AUDIO, QUERY, _text("threshold", "")], 422, "parameter-invalid", "threshold is ''"),
        ([AUDIO, QUERY, _text("threshold", "1.5")], 422, "parameter-invalid", "0 to 1"),
        ([AUDIO, QUERY, _text("threshold", "0.5"), _text("threshold_off", "0.6")], 422, "parameter-invalid", "0.5"),
        ([AUDIO, QUERY, _text("median_filter_s", "-1")], 422, "parameter-invalid", "0 to 5 s"),
        ([AUDIO, QUERY, _text("min_duration_s", "1_0")], 422, "parameter-invalid", "min_duration_s"),
        ([AUDIO, QUERY, _text("curves", "all")], 422, "parameter-invalid", "score, similarity, both, none"),
    ],
)
async def test_an_invalid_form_gets_a_problem_that_says_why(
    client: httpx.AsyncClient, parts: list[Any], status: int, name: str, detail: str
) -> None:
    answer = await client.post("/localize", files=parts)
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert (body["type"], body["status"]) == (f"/problems/{name}", status)
    assert detail in body["detail"]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "name"),
    [
        ("text/plain", b"{}", 415, "not-a-form"),
        ("application/xml", b"query=dog", 415, "not-a-form"),
        (None, b"", 415, "not-a-form"),
        ("multipart/form-data", b"", 400, "form-malformed"),
        ("multipart/form-data; boundary=b", b"", 400, "form-malformed"),
        ("multipart/form-data; boundary=b", b"not a form", 400, "form-malformed"),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
            400,
            "form-malformed",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\na dog',
            400,
            "form-malformed",
        ),
        (f"multipart/form-data; boundary={'b' * 300}", b"", 400, "form-malformed"),
    ],
)
async def test_a_body_that_is_not_a_form_is_refused(
    client: httpx.AsyncClient, content_type: str | None, body: bytes, status: int, name: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await client.post("/localize", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["type"] == f"/problems/{name}"


async def test_a_compressed_body_is_refused_and_its_encoding_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/localize", files=[AUDIO, QUERY], headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 400
    assert "Content-Encoding is gzip; only identity is accepted" in answer.json()["detail"]


async def test_an_upload_of_the_largest_size_is_accepted(post: Post) -> None:
    assert (await post(audio=bytes(2048))).status_code == 200


async def test_an_upload_that_is_too_large_is_refused(post: Post) -> None:
    answer = await post(audio=bytes(2049))
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/audio-too-large"
    assert answer.json()["limit_bytes"] == 2048


async def test_a_large_upload_is_refused_before_it_is_read_if_its_size_is_declared(client: httpx.AsyncClient) -> None:
    async def never_read() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": "100000000"}
    answer = await client.post("/localize", content=never_read(), headers=headers)
    assert answer.status_code == 413


async def test_a_stream_without_end_is_refused_at_the_limit(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
        while True:
            sent += 1024
            yield bytes(1024)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.post("/localize", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert sent < 10_000_000
    assert engine.clips == []


async def test_a_clip_that_is_spooled_to_disk_arrives_unchanged(engine: FakeEngine) -> None:
    clip = bytes(range(256)) * 16_384
    received: list[bytes] = []

    def read() -> None:
        engine.clips[-1].seek(0)
        received.append(engine.clips[-1].read())

    engine.before = read
    async with make_client(engine, Settings()) as client:
        assert (await client.post("/localize", files=[("audio", ("a", clip)), QUERY])).status_code == 200
    assert received == [clip]


async def test_a_form_may_arrive_byte_by_byte(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = (
        '--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nein Hündchen\r\n'
        '--b\r\nContent-Disposition: form-data; name="audio"; filename="../../x"\r\n\r\nA\r\n--\r\n--b--\r\n'
    ).encode()

    async def drip() -> AsyncIterator[bytes]:
        for byte in body:
            yield bytes([byte])

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.post("/localize", content=drip(), headers=headers)
    assert answer.json()["results"][0]["query"] == "ein Hündchen"


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\nRIFF\r\n'
    b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\na dog\r\n--b--\r\n'
)
TYPE = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    "preamble",
    [
        b"",
        b"\r\n",
        b"This is a multi-part message in MIME format.\r\n",
        b"two\r\nlines with --b inside\r\n\r\n",
        b"-\r\n--\r\n--a\r\n",
        b"ends with LF only\n",
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
async def test_a_preamble_before_the_first_boundary_is_skipped(
    client: httpx.AsyncClient, engine: FakeEngine, preamble: bytes, size: int
) -> None:
    body = preamble + FORM + b"an epilogue"

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    answer = await client.post("/localize", content=pieces(), headers=TYPE)
    assert answer.status_code == 200
    assert [result["query"] for result in answer.json()["results"]] == ["a dog"]
    assert answer.json()["clip"]["id"] == hashlib.sha256(b"RIFF").hexdigest()


async def test_a_preamble_without_an_end_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/localize", content=b"x" * 70_000, headers=TYPE)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/form-malformed")


@pytest.mark.parametrize(
    "parameters",
    [
        b"filename*=UTF-8''stra%C3%9Fe.wav",
        b"FILENAME* = utf-8'de'a.wav",
        b"filename=a.wav; filename*=UTF-8''a.wav",
    ],
)
async def test_an_extended_file_name_alone_makes_a_part_a_file(client: httpx.AsyncClient, parameters: bytes) -> None:
    body = FORM.replace(b'filename="a"', parameters)
    assert (await client.post("/localize", content=body, headers=TYPE)).status_code == 200
    body = FORM.replace(b'name="query"', b'name="query"; ' + parameters)
    assert (await client.post("/localize", content=body, headers=TYPE)).json()["type"] == "/problems/field-kind-wrong"
