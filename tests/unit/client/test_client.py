"""The client against answers that a test chooses."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.client import Client, problems
from service.client.errors import EarmarkError, ServiceUnreachable, UnexpectedAnswer
from tests.unit.client.service import Handler, answer, info, mock_http, problem


def make_client(handler: Handler, max_wait_s: float = 600, key: str | None = None) -> Client:
    return Client("http://earmark/prefix/", http=mock_http(handler), max_wait_s=max_wait_s, key=key)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times for which the client wants to wait; the clock of the client goes forward without waiting."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr("time.monotonic", lambda: sum(pauses))
    return pauses


class Service:
    """Answers in turn, and records what it was sent."""

    def __init__(self, *answers: httpx.Response | type[Exception]) -> None:
        self._answers = iter(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        if request.url.path == "/prefix/info":
            return info()
        reply = next(self._answers)
        if isinstance(reply, type):
            raise reply("broken", request=request)
        return reply

    @property
    def paths(self) -> list[str]:
        return [request.url.path.removeprefix("/prefix") for request in self.requests]


def test_the_id_is_sent_first_and_the_audio_only_if_it_is_needed() -> None:
    known = Service(answer(), answer())
    client = make_client(known)
    client.localize(b"clip", "a dog barks")
    client.localize(b"clip", "a dog barks")
    assert known.paths == ["/info", "/localize", "/localize"]
    assert all(b"clip_id=" in request.content for request in known.requests[1:])
    unknown = Service(problem("clip-not-found", 404), answer())
    make_client(unknown).localize(b"clip", ["a dog barks", "rain"], threshold=0.5)
    first, second = unknown.requests[1:]
    assert first.content.startswith(b"query=a+dog+barks&query=rain&curve_format=base64&threshold=0.5&clip_id=")
    assert b'name="audio"; filename="clip"' in second.content
    assert b"clip_id" not in second.content


def test_a_service_with_another_model_is_asked_for_its_model_again() -> None:
    service = Service(problem("clip-not-found", 404), answer(clip_id="of another model"), answer())
    client = make_client(service)
    client.localize(b"clip", "rain")
    client.localize(b"clip", "rain")
    assert service.paths == ["/info", "/localize", "/localize", "/info", "/localize"]


def test_a_service_that_does_not_say_how_ids_are_made_gets_the_audio() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/info"):
            return httpx.Response(200, json={"model": {"name": "old"}})
        assert b"clip_id" not in request.read()
        return answer()

    assert make_client(handler).localize(b"clip", "rain")["a dog barks"].present


@pytest.mark.parametrize("kind", ["path", "bytes", "file", "array"])
def test_every_kind_of_clip_is_sent(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"content of the clip")
    clip = {"path": path, "bytes": b"content of the clip", "file": io.BytesIO(b"content of the clip")}.get(kind)
    service = Service(problem("clip-not-found", 404), answer())
    if clip is None:
        make_client(service).localize(np.zeros(8), "rain", rate_hz=16_000)
    else:
        make_client(service).localize(clip, "rain")
    assert (b"WAVEfmt" if clip is None else b"content of the clip") in service.requests[-1].content


def test_a_busy_service_is_asked_again_when_it_says(pauses: list[float]) -> None:
    busy = problem("wait-too-long", 429, {"Retry-After": "7"}, retry_after_s=7)
    not_ready = problem("not-ready", 503, {"Retry-After": "5"})
    make_client(Service(busy, not_ready, answer())).localize(b"clip", "rain")
    assert [round(pause) for pause in pauses] == pytest.approx([7, 5], abs=1)
    assert pauses[0] >= 7
    assert pauses[1] >= 5


def test_a_wait_beyond_the_limit_is_not_begun(pauses: list[float]) -> None:
    busy = problem("audio-quota-exceeded", 429, {"Retry-After": "3600"})
    with pytest.raises(problems.AudioQuotaExceeded) as error:
        make_client(Service(busy), max_wait_s=60).localize(b"clip", "rain")
    assert error.value.retry_after_s == 3600
    assert pauses == []


def test_the_client_gives_up_when_the_time_is_over(pauses: list[float]) -> None:
    busy = problem("too-many-requests", 429, {"Retry-After": "10"})
    with pytest.raises(problems.TooManyRequests):
        make_client(Service(*[busy] * 99), max_wait_s=35).localize(b"clip", "rain")
    assert len(pauses) == 3


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError])
def test_a_broken_connection_is_tried_again(kind: type[Exception], pauses: list[float]) -> None:
    make_client(Service(kind, kind, answer())).localize(b"clip", "rain")
    assert [round(pause, 1) for pause in pauses] == pytest.approx([0.25, 0.5], abs=0.1)
    with pytest.raises(ServiceUnreachable, match="http://earmark/prefix/localize: broken"):
        make_client(Service(*[kind] * 9)).localize(b"clip", "rain")


def test_a_proxy_without_a_service_behind_it_is_tried_again(pauses: list[float]) -> None:
    page = httpx.Response(502, text="<html>Bad gateway")
    make_client(Service(page, answer())).localize(b"clip", "rain")
    with pytest.raises(UnexpectedAnswer, match="status 502: no answer of Earmark: '<html>Bad gateway'"):
        make_client(Service(*[page] * 9)).localize(b"clip", "rain")


def test_a_slow_answer_is_not_asked_for_again(pauses: list[float]) -> None:
    with pytest.raises(ServiceUnreachable):
        make_client(Service(httpx.ReadTimeout)).localize(b"clip", "rain")
    assert pauses == []


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, text="hello"),
        httpx.Response(200, json=["x"]),
        httpx.Response(200, json={"clip": {}}),
        httpx.Response(301, headers={"location": "https://earmark"}),
        httpx.Response(404, text="nothing here"),
        httpx.Response(500, headers={"content-type": "application/problem+json"}, text="no json"),
        httpx.Response(500, headers={"content-type": "application/problem+json"}, text="[" * 100_000),
        httpx.Response(200, text="[" * 100_000),
        *(
            httpx.Response(400, content=b"\xff", headers={"content-type": f"text/html; charset={charset}"})
            for charset in ("base64", "undefined", "idna", "utf-16")
        ),
    ],
)
def test_an_answer_of_another_program_is_an_error_of_the_client(reply: httpx.Response) -> None:
    with pytest.raises(UnexpectedAnswer, match=f"status {reply.status_code}"):
        make_client(Service(reply)).localize(b"clip", "rain")


def test_a_body_that_is_not_compressed_as_it_says_is_an_error_of_the_client() -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))

    with pytest.raises(ServiceUnreachable, match="http://earmark/prefix/info"):
        make_client(serve).info()


def test_a_table_that_is_not_utf_8_is_an_error_of_the_client() -> None:
    with pytest.raises(UnexpectedAnswer, match="no text in UTF-8"):
        make_client(Service(httpx.Response(200, content=b"\xff"))).localize_as("csv", b"clip", "rain")


def test_a_model_id_that_is_none_is_not_used() -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        info_with_surrogate = httpx.Response(200, content=b'{"model": {"id": "\\ud800"}}')
        return info_with_surrogate if request.url.path == "/prefix/info" else answer()

    assert len(make_client(serve).localize(b"clip", "rain")) == 1


def test_the_key_is_sent_with_every_request() -> None:
    service = Service(problem("clip-not-found", 404), answer())
    make_client(service, key="secret").localize(b"clip", "rain")
    assert [request.headers["authorization"] for request in service.requests] == ["Bearer secret"] * 3


@pytest.mark.parametrize("url", ["earmark:8000", "ftp://earmark", "", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the URL is"):
        Client(url)


def test_a_key_with_other_characters_is_refused() -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        Client(key="a\r\nHost: b")


@pytest.mark.parametrize(
    ("queries", "options", "message"),
    [
        ([1], {}, "a query is of type int"),
        ("rain", {"treshold": 0.5}, "unknown options: treshold; accepted: rate_hz, threshold"),
    ],
)
def test_arguments_that_cannot_be_sent_are_refused_before_anything_is_sent(queries, options, message: str) -> None:
    service = Service()
    with pytest.raises(TypeError, match=message):
        make_client(service).localize(b"clip", queries, **options)
    with pytest.raises(TypeError, match=message):
        make_client(service).localize_many([b"clip"], queries, **options)
    assert service.requests == []


def test_a_missing_file_is_an_os_error_and_nothing_is_sent(tmp_path: Path) -> None:
    service = Service()
    with pytest.raises(FileNotFoundError):
        make_client(service).localize(tmp_path / "missing.wav", "rain")
    assert "/localize" not in service.paths


def test_many_clips_come_in_order_with_their_errors(tmp_path: Path) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/info"):
            return info()
        content = request.read()
        if b"clip_id" in content:
            return problem("clip-not-found", 404)
        return problem("audio-empty", 422) if b"broken" in content else answer()

    clips = [b"fine", b"broken", tmp_path / "missing.wav", b"fine"]
    outcomes = list(make_client(handler).localize_many(clips, "rain", n_parallel=2))
    assert [outcome.clip for outcome in outcomes] == clips
    assert [type(outcome.error).__name__ for outcome in outcomes] == [
        "NoneType",
        "AudioEmpty",
        "FileNotFoundError",
        "NoneType",
    ]
    assert [outcome.localization is None for outcome in outcomes] == [False, True, True, False]


def test_many_clips_are_read_as_they_are_needed() -> None:
    n_read = 0

    def clips() -> Iterator[bytes]:
        nonlocal n_read
        for number in range(10_000):
            n_read += 1
            yield str(number).encode()

    outcomes = make_client(lambda request: info() if request.url.path.endswith("/info") else answer()).localize_many(
        clips(), "rain", n_parallel=3
    )
    for _ in range(5):
        next(outcomes)
    outcomes.close()  # the rest is not sent
    assert n_read <= 5 + 3 * 4


def test_the_number_of_parallel_clips_is_positive() -> None:
    with pytest.raises(ValueError, match="n_parallel is 0; accepted: 1 or more"):
        Client().localize_many([], "rain", n_parallel=0)


def test_known_clips_are_told_from_unknown_ones() -> None:
    statuses = iter([204, 404])
    client = make_client(lambda request: httpx.Response(next(statuses)))
    assert client.knows("some/id?")
    assert not client.knows("other")
    refusing = make_client(lambda request: httpx.Response(401))
    with pytest.raises(EarmarkError):
        refusing.knows("id")
