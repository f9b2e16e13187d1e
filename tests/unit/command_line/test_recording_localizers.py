"""The localizers of many recordings; tests/end_to_end/test_localize_by_service.py has the whole command."""

import json
from pathlib import Path

import httpx
import pytest

from service.client import Client
from service.command_line.recording_localizers import RecordingError, ServiceLocalizer, Task, open_client
from service.command_line.table_rows import TableForm
from service.core.start_errors import ServiceFailed
from tests.unit.client.service import answer, mock_http, problem

URL = "http://earmark"
INFO = httpx.Response(200, json={"model": {"id": "m", "name": "tiny", "version": "1"}, "limits": {"max_queries": 2}})


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"RIFF")
    return str(path)


def localizer(reply: httpx.Response, *queries: str, form: TableForm = "csv") -> ServiceLocalizer:
    http = mock_http(lambda request: INFO if request.url.path == "/info" else reply)
    return ServiceLocalizer(Client(URL, http=http, max_wait_s=0), URL, Task(queries or ("rain",), {}, form))


def test_queries_are_sent_in_groups_that_the_service_accepts(clip: str) -> None:
    rows = localizer(answer("q"), *"abcde").rows(clip)
    assert rows.count("\n") == 3
    assert localizer(answer("q")).model == "tiny 1"


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_warnings_about_the_queries_of_all_groups_are_kept(clip: str, form: TableForm) -> None:
    body = json.loads(answer("q").content)
    body["results"][0]["warnings"] = [{"code": "query-cut", "message": "the query is too long"}]
    reply = httpx.Response(200, json=body)
    if form == "ndjson":
        (result,) = body.pop("results")
        reply = httpx.Response(200, text=json.dumps(body | result) + "\n")
    service = localizer(reply, *"abc", form=form)
    service.rows(clip)
    assert service.query_warnings() == [f"query {number}: the query is too long" for number in (1, 2)]


@pytest.mark.parametrize(
    ("name", "status"),
    [("audio-undecodable", 422), ("audio-too-long", 413), ("deadline-exceeded", 504), ("internal-error", 500)],
)
def test_an_error_of_the_recording_stops_no_other_recording(clip: str, name: str, status: int) -> None:
    with pytest.raises(RecordingError, match=f"detail of {name}"):
        localizer(problem(name, status)).rows(clip)


@pytest.mark.parametrize(
    ("name", "status"), [("query-empty", 422), ("key-unknown", 401), ("overloaded", 429), ("parameter-invalid", 422)]
)
def test_an_error_of_every_recording_ends_the_run(clip: str, name: str, status: int) -> None:
    with pytest.raises(ServiceFailed, match=f"detail of {name}"):
        localizer(problem(name, status)).rows(clip)


def test_a_format_that_is_not_accepted_is_told_from_a_broken_recording(clip: str) -> None:
    for name, is_format in (("audio-unsupported", True), ("audio-undecodable", False)):
        with pytest.raises(RecordingError) as error:
            localizer(problem(name, 422)).rows(clip)
        assert error.value.is_format == is_format


def test_a_missing_recording_is_an_error_of_the_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        localizer(answer()).rows(str(tmp_path / "missing.wav"))


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ServiceFailed, match="the URL is 'nowhere'"), open_client("nowhere", None):
        pass
