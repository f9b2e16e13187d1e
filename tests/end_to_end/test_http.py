"""What only a real connection shows: request targets, bodies and answers byte by byte."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import patient_http
from tests.service_process import Service, form, head, read_reply, run_service, wav

CLOSE = "Connection: close"


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_service(tiny_bundle, tmp_path_factory.mktemp("http")) as service:
        yield service


@pytest.mark.parametrize("target", ["http://a/livez", "HTTP://a:80/livez", "https://user@other.example/livez?x=1"])
def test_a_target_in_absolute_form_is_its_path(service: Service, target: str) -> None:
    reply = read_reply(service.send(head(CLOSE, path=target, method="GET")))
    assert (reply.status, reply.body) == (200, b'{"status":"alive"}')


def test_the_authority_of_an_absolute_target_is_the_host(service: Service) -> None:
    origin = "Origin: http://b"
    assert read_reply(service.send(head(CLOSE, origin, path="http://b/livez", method="GET"))).status == 200
    assert read_reply(service.send(head(CLOSE, origin, path="http://c/livez", method="GET"))).status == 403


def test_a_preamble_is_skipped(service: Service) -> None:
    body = b"This is a multi-part message in MIME format.\r\n" + form(wav(1), "low")
    reply = read_reply(service.send(head(CLOSE, f"Content-Length: {len(body)}") + body))
    assert reply.status == 200


@pytest.mark.parametrize("path", ["/livez", "/info", "/metrics", "/docs", "/openapi.json"])
def test_head_has_no_body(service: Service, path: str) -> None:
    reply = read_reply(service.send(head(CLOSE, path=path, method="HEAD")))
    assert (reply.status, reply.body) == (200, b"")


def test_a_long_answer_is_compressed_while_it_is_made(service: Service) -> None:
    clip_id = service.post(wav(600), "low", curves="none").json()["clip"]["id"]
    url, fields = f"{service.url}/localize", {"clip_id": clip_id, "query": ["low"] * 60, "curves": "both"}
    plain = patient_http.post(url, json=fields, headers={"Accept-Encoding": "identity"})
    with patient_http.stream("POST", url, json=fields, headers={"Accept-Encoding": "gzip"}) as packed:
        content = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    assert len(content) < len(plain.content) / 5
    assert gzip.decompress(content) == plain.content


def test_audio_as_the_body_is_answered_as_in_a_form(service: Service) -> None:
    in_form = service.post(wav(2), "low", curves="none").json()
    headers = {"Content-Type": "audio/wav"}
    body = patient_http.post(f"{service.url}/localize?query=low&curves=none", content=wav(2), headers=headers).json()
    assert body["clip"] == in_form["clip"] | {"cached": True}
    assert body["results"] == in_form["results"]


def test_a_long_clip_has_the_same_segments_in_every_format(service: Service) -> None:
    clip_id = service.post(wav(600), "low", curves="none").json()["clip"]["id"]
    fields = {"clip_id": clip_id, "query": ["low"] * 60, "curves": "none", "threshold": 0.0}
    whole = patient_http.post(f"{service.url}/localize", json=fields).json()
    csv = patient_http.post(f"{service.url}/localize", json=fields | {"format": "csv"})
    lines = patient_http.post(f"{service.url}/localize", json=fields | {"format": "ndjson"}).text.splitlines()
    segments = [segment for result in whole["results"] for segment in result["segments"]]
    assert segments
    assert [float(row.split(",")[1]) for row in csv.text.splitlines()[1:]] == [each["onset_s"] for each in segments]
    assert len(lines) == 60
