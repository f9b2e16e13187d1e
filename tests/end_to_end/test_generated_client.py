"""A client that openapi-python-client generates from the OpenAPI document calls a running service."""

import importlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clips import tones, wav
from tests.contract.openapi_document import COMMITTED
from tests.service_process import Service, run_service

NAME = "generated_earmark_client"
CLIP = wav(tones([("low", 0.4, 1.2)], 2.0))


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_service(tiny_bundle, tmp_path_factory.mktemp("generated")) as service:
        yield service


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Imports modules of the generated package by their names."""
    folder = tmp_path_factory.mktemp("package")
    configuration = folder / "config.yml"
    configuration.write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(COMMITTED), "--meta", "none"]
    result = subprocess.run(
        [*command, "--output-path", str(folder / NAME), "--config", str(configuration)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    # the only parts that the generator leaves out are other media types of a body that it also knows as a stream of bytes
    skipped = [line for line in output.splitlines() if line.startswith(("Unsupported", "Cannot"))]
    assert skipped == [f"Unsupported content type {name}" for name in ("audio/*", "video/*", "application/ogg")]
    sys.path.insert(0, str(folder))
    yield lambda module: importlib.import_module(f"{NAME}.{module}")
    sys.path.remove(str(folder))


@pytest.fixture
def client(generated: Any, service: Service) -> Iterator[Any]:
    opened = generated("client").AuthenticatedClient(service.url, token="none", raise_on_unexpected_status=True)
    with opened as client:
        yield client


def heard(answer: Any) -> list[tuple[str, bool, int]]:
    return [(result.query, result.present, len(result.segments)) for result in answer.results]


def test_a_clip_is_localized_and_then_named_by_its_id_in_every_kind_of_body(generated: Any, client: Any) -> None:
    localize, models, types = generated("api.localization.localize"), generated("models"), generated("types")
    form = models.LocalizeFilesLocalizeForm(query=["low", "high"], audio=types.File(io.BytesIO(CLIP), "a.wav"))
    answer = localize.sync(client=client, body=form)
    assert isinstance(answer, models.LocalizeOut)
    assert heard(answer) == [("low", True, 1), ("high", False, 0)]
    assert answer.results[0].segments[0].onset_s == pytest.approx(0.4, abs=0.09)
    assert len(answer.results[0].score) == 50
    assert (answer.clip.duration_s, answer.clip.cached, answer.clip.warnings) == (2.0, False, [])
    for body in (
        models.LocalizeFilesLocalizeForm(query=["low", "high"], clip_id=answer.clip.id),
        models.LocalizeDataKnownClip(query=["low", "high"], clip_id=answer.clip.id),
        models.LocalizeJsonKnownClip(query=["low", "high"], clip_id=answer.clip.id),
    ):
        again = localize.sync(client=client, body=body)
        assert (heard(again), again.clip.cached) == (heard(answer), True)


def test_the_audio_can_be_the_body_with_all_fields_in_the_url(generated: Any, client: Any) -> None:
    localize, models, types = generated("api.localization.localize"), generated("models"), generated("types")
    answer = localize.sync(
        client=client, body=types.File(io.BytesIO(CLIP)), query=["low"], threshold=0.9, threshold_off=0.8,
        median_filter_s=0.0, min_duration_s=0.1, merge_gap_s=0.2, curves=models.LocalizeCurves.NONE,
    )  # fmt: skip
    assert heard(answer) == [("low", True, 1)]
    assert isinstance(answer.results[0].score, types.Unset)


def test_a_refusal_is_a_problem_with_its_members(generated: Any, client: Any) -> None:
    localize, models = generated("api.localization.localize"), generated("models")
    refused = localize.sync_detailed(client=client, body=models.LocalizeJsonKnownClip(query=["low"], clip_id="0" * 64))
    assert refused.status_code == 404
    assert isinstance(refused.parsed, models.ProblemOut)
    assert (refused.parsed.status, refused.parsed.type_) == (404, "/problems/clip-not-found")


def test_every_other_operation_is_parsed(generated: Any, client: Any) -> None:
    operation = {name: generated(f"api.operation.{name}") for name in ("livez", "readyz", "tell_info", "tell_problem")}
    models = generated("models")
    assert isinstance(operation["livez"].sync(client=client), models.StatusOut)
    assert isinstance(operation["readyz"].sync(client=client), models.ReadyOut)
    info = operation["tell_info"].sync(client=client)
    assert (info.model.name, info.limits.max_queries) == ("tiny", 64)
    assert operation["tell_problem"].sync("clip-not-found", client=client).status == 404
    metrics = generated("api.operation.tell_metrics").sync_detailed(client=client)
    assert (metrics.status_code, b"earmark_" in metrics.content) == (200, True)
    know = generated("api.localization.know_clip").sync_detailed("0" * 64, client=client)
    assert know.status_code == 404
