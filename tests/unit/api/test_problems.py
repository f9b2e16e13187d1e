import importlib
import pkgutil
import re
from dataclasses import fields

import httpx
import pytest

import service
from service.api.problems import MEDIA_TYPE, PROBLEMS, Problem, all_problems, problem_body, problem_of
from service.core import access_errors, bundle_errors, errors, library_errors, request_errors, start_errors
from service.core.access_errors import AccessError
from service.core.bundle_errors import BundleError, BundleFileMissing
from service.core.errors import AudioTooLong, EarmarkError, ParameterInvalid
from service.core.library_errors import LibraryError
from service.core.request_errors import RequestError
from service.core.start_errors import StartError
from tests.unit.api.conftest import Post
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio

STANDARD_MEMBERS = {"type", "title", "status", "detail", "instance", "setting"}


for module in pkgutil.walk_packages(service.__path__, "service."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)


def _tree(kind: type[EarmarkError]) -> list[type[EarmarkError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]


@pytest.mark.parametrize("kind", _tree(EarmarkError))
def test_every_error_class_has_its_problem_type_or_stops_the_start(
    kind: type[EarmarkError],
) -> None:
    special = {
        LibraryError: library_errors,
        BundleError: bundle_errors,
        StartError: start_errors,
        RequestError: request_errors,
        AccessError: access_errors,
    }
    module = next((module for base, module in special.items() if issubclass(kind, base)), errors)
    assert kind.__module__ == module.__name__
    assert (kind in PROBLEMS) != issubclass(kind, StartError)
    assert problem_of(kind).status == 500 or not issubclass(kind, StartError)


@pytest.mark.parametrize("problem", all_problems().values(), ids=lambda problem: problem.name)
def test_every_problem_has_a_name_a_title_and_a_status(problem: Problem) -> None:
    assert re.fullmatch(r"/problems/[a-z0-9-]+", problem.type)
    assert 400 <= problem.status < 600
    assert problem.title


@pytest.mark.parametrize("kind", _tree(EarmarkError))
def test_no_errors_data_hides_a_standard_member(kind: type[EarmarkError]) -> None:
    assert not {field.name for field in fields(kind)} & STANDARD_MEMBERS


def test_types_are_unique() -> None:
    assert len(all_problems()) == len({*PROBLEMS.values()}) + 3


def test_the_problem_of_a_clients_error_has_its_data_and_setting() -> None:
    assert problem_body(AudioTooLong(60.0)) == {
        "type": "/problems/audio-too-long",
        "title": "The clip is too long",
        "status": 413,
        "detail": "clip lasts more than 60 s; at most 60 s is accepted (EARMARK_MAX_CLIP_S)",
        "limit_s": 60.0,
        "setting": "EARMARK_MAX_CLIP_S",
    }


def test_an_error_class_without_an_entry_has_the_problem_of_its_parent() -> None:
    class NewError(ParameterInvalid):
        pass

    assert problem_of(NewError) is PROBLEMS[ParameterInvalid]


def test_the_problem_of_a_server_error_reveals_no_internal_detail() -> None:
    assert set(problem_body(BundleFileMissing("/secret", "audio.onnx"))) == {"type", "title", "status", "detail"}
    assert "secret" not in str(problem_body(BundleFileMissing("/secret", "audio.onnx")))


async def test_a_crash_is_a_problem_without_the_text_of_the_exception(post: Post, engine: FakeEngine) -> None:
    def crash() -> None:
        raise RuntimeError("secret")

    engine.before = crash
    answer = await post()
    assert answer.status_code == 500
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["type"] == "/problems/internal-error"
    assert "secret" not in answer.text
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("POST", "/localize/", 404, "not-found"),
        ("GET", "/docs/static/../core.py", 404, "not-found"),
        ("GET", "/localize", 405, "method-not-allowed"),
        ("OPTIONS", "/clips/x", 405, "method-not-allowed"),
        ("POST", "/docs/static/swagger-ui.css", 405, "method-not-allowed"),
    ],
)
async def test_failures_of_the_framework_are_problems(
    client: httpx.AsyncClient, method: str, path: str, status: int, name: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["type"] == f"/problems/{name}"
    assert f"{method} /" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "%00", "%ff", "%F0%9F%90%95", "a" * 2000])
async def test_an_odd_name_in_a_path_gets_404(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/problems/{name}")).status_code == 404
    assert (await client.head(f"/clips/{name}")).status_code == 404


async def test_a_method_that_is_not_allowed_is_answered_with_the_allowed_ones(client: httpx.AsyncClient) -> None:
    assert (await client.get("/localize")).headers["allow"] == "POST"


@pytest.mark.parametrize("name", sorted(all_problems()))
async def test_every_type_leads_to_its_description(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/problems/{name}")
    assert answer.json()["type"] == f"/problems/{name}"
