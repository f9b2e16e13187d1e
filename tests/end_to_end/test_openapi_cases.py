"""Schemathesis sends requests that it makes from the OpenAPI document to a running service, and checks every answer with it.

OPENAPI_CASES sets the number of cases of each operation. `make openapi-check` runs 2,000.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests import patient_http
from tests.clips import tones, wav
from tests.contract.openapi_document import COMMITTED
from tests.service_process import Service, run_service

CASES = int(os.environ.get("OPENAPI_CASES", "50"))
FEW_CASES = 50
"""With at most this number, the cases are the same in every run."""
CLIP = wav(tones([("low", 0.4, 0.8)], 1.0))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    (method, path)
    for path, operations in json.loads(COMMITTED.read_text(encoding="utf-8"))["paths"].items()
    for method in operations
]
EXPECTED = {
    ("post", "/localize"): {200, 404, 422},
    ("head", "/clips/{clip_id}"): {204, 404},
    ("get", "/problems/{name}"): {200, 404},
    ("post", "/search"): {200, 422},
    ("post", "/library/clips"): {201},
    ("get", "/library/clips/{recording_id}"): {200, 404},
    ("delete", "/library/clips/{recording_id}"): {204, 404},
    ("get", "/library/clips/{recording_id}/audio"): {200, 404},
}
"""Statuses that the cases of an operation must have caused; 200 for all others. The cases would check too little otherwise."""

UNLIKELY = ("audio", "clip_id", "threshold_off", "like", "unlike")
"""Fields whose made values are hardly ever accepted."""

schemathesis.openapi.format("binary", st.one_of(st.just(CLIP), st.binary(max_size=2_000)))


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("openapi")
    with run_service(tiny_bundle, folder, LIBRARY=str(folder / "library"), LIBRARY_AUDIO="1") as service:
        yield service


@pytest.fixture
def known(service: Service) -> dict[str, str]:
    """Values of the path parameters that exist: the names of a clip, of a recording of the library, and of a problem type."""
    clip_id = service.post(CLIP).json()["clip"]["id"]
    answer = patient_http.post(f"{service.url}/library/clips", files={"audio": ("a.wav", CLIP)})
    return {"clip_id": clip_id, "recording_id": answer.json()["id"], "name": "clip-not-found"}


@pytest.fixture(scope="module")
def schema(service: Service) -> Any:
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json")


def made_plausible(case: Any, known: Mapping[str, str], choice: int) -> None:
    """Changes most cases so that they get beyond the first refusal: a real clip, a real id, and fields in one place only."""
    if not choice:
        return
    case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
    if case.path == "/localize":
        _name_a_clip(case, known["clip_id"], choice)
    elif case.path == "/library/clips" and choice > 2:
        case.body = {"audio": CLIP}
    elif case.path == "/search" and choice > 2:
        case.body = {"query": "low"}


def _name_a_clip(case: Any, known_clip: str, choice: int) -> None:
    """Gives a case of POST /localize exactly one clip."""
    if isinstance(case.body, dict):
        case.query.clear()  # a field in the URL and in the body is refused
        clip = {"clip_id": ("0" * 64 if choice == 1 else known_clip)}
        is_form = case.media_type == "multipart/form-data"
        kept = {name: value for name, value in case.body.items() if name not in UNLIKELY}
        queries = {"query": ["low"]} if choice != 2 else {}
        case.body = kept | queries | ({"audio": CLIP} if is_form and choice == 3 else clip)
    elif isinstance(case.body, bytes):
        case.body = CLIP
        case.query = {name: value for name, value in case.query.items() if name not in UNLIKELY} | {"query": ["low"]}


def cases_of(operation: Any) -> st.SearchStrategy[Any]:
    """Valid cases, and invalid ones if the operation has a body or fields in its URL."""
    valid = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not len(operation.body) and not len(operation.query):
        return valid
    return st.one_of(valid, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_documented(schema: Any, known: dict[str, str], method: str, path: str) -> None:
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=CASES <= FEW_CASES,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases_of(schema[path][method]), choice=st.integers(0, 4))
    def check(case: Any, choice: int) -> None:
        made_plausible(case, known, choice)
        response = case.call()
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    check()
    assert EXPECTED.get((method, path), {200}) <= set(statuses), statuses
