"""`earmark localize --server`: one recording and many, in an installation that has only the client's packages."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clips import encoded, tones
from tests.service_process import Service, run_service

ROOT = Path(__file__).parents[2]
ABSENT = (
    "av",
    "fastapi",
    "limits",
    "onnxruntime",
    "orjson",
    "pydantic",
    "redis",
    "soundfile",
    "soxr",
    "structlog",
    "tokenizers",
)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_service(tiny_bundle, tmp_path_factory.mktemp("service"), MAX_QUERIES="2") as service:
        yield service


@pytest.fixture
def earmark(tmp_path: Path) -> Run:
    """Runs the command without the packages of the server."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.modules.update(dict.fromkeys({ABSENT!r})); "
        "from service.__main__ import main; sys.exit(main())"
    )

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path)

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "street.wav"
    path.write_bytes(encoded(tones([("low", 0.4, 1.2)], 4.3)))
    return path


def test_the_table_is_that_of_the_model_in_the_process(
    earmark: Run, service: Service, clip: Path, tiny_bundle: Path
) -> None:
    remote = earmark("localize", "street.wav", "low", "high", "--server", service.url)
    command = [sys.executable, "-m", "service", "localize", str(clip), "low", "high", "--bundle", str(tiny_bundle)]
    local = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (remote.returncode, remote.stderr) == (0, "")
    assert remote.stdout == local.stdout


@pytest.mark.parametrize("name", ["json", "ndjson", "raven", "webvtt"])
def test_every_format_is_printed_as_by_the_model_in_the_process(
    earmark: Run, service: Service, clip: Path, tiny_bundle: Path, name: str
) -> None:
    arguments = ["localize", str(clip), "ein low Hund bellt", "low", "--format", name]
    remote = earmark(*arguments, "--server", service.url)
    command = [sys.executable, "-m", "service", *arguments, "--bundle", str(tiny_bundle)]
    local = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (remote.returncode, local.returncode) == (0, 0)
    assert remote.stdout.replace('"cached":true', '"cached":false') == local.stdout
    assert remote.stderr == local.stderr
    assert remote.stderr.startswith("earmark: warning: query 1: the query seems to be in another language")
    assert ("street.wav" in remote.stdout) == (name == "raven")


def test_options_reach_the_service(earmark: Run, service: Service, clip: Path) -> None:
    run = earmark("localize", str(clip), "low", "--min-duration-s", "3", "--json", "--server", service.url)
    (result,) = json.loads(run.stdout)["results"]
    assert result["segments"] == []
    assert len(result["score"]) == len(result["similarity"]) == 108


def test_a_folder_becomes_a_table_and_is_continued(earmark: Run, service: Service, tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.wav").write_bytes(encoded(tones([("low", 0.4, 0.6 + 0.04 * number)], 2.0)))
    (tmp_path / "9.wav").write_bytes(b"broken")
    command = ("localize", "*.wav", "low", "a low tone", "high", "--server", service.url, "--csv", "out.csv")
    first = earmark(*command)  # three queries, of which the service accepts two at a time
    assert first.returncode == 1
    assert first.stderr.endswith("6 recordings localized, 1 failed; see out.errors.csv\n")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["query"]) for row in rows] == [
        (f"{number}.wav", query) for number in range(6) for query in ("low", "a low tone")
    ]
    assert "9.wav,UnsupportedAudio," in (tmp_path / "out.errors.csv").read_text()
    (tmp_path / "8.wav").write_bytes((tmp_path / "0.wav").read_bytes())
    assert "1 recording localized, 7 done before" in earmark(*command).stderr


def test_a_service_that_is_not_there_stops_the_run_and_no_recording_is_to_blame(
    earmark: Run, clip: Path, tmp_path: Path
) -> None:
    run = earmark("localize", "*.wav", "low", "--server", "http://127.0.0.1:9", "--csv", "out.csv")
    assert run.returncode == 2
    assert run.stderr.startswith("earmark: the service at http://127.0.0.1:9 did not answer: ")
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "out.errors.csv").exists()
    assert earmark("localize", "street.wav", "low", "--server", "127.0.0.1:9").returncode == 2


def test_a_key_comes_from_a_file(earmark: Run, clip: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(earmark("key", "new", "me", "--file", "keys.toml").stdout)
    folder = tmp_path / "service"
    folder.mkdir()
    with run_service(tiny_bundle, folder, KEYS_FILE=str(tmp_path / "keys.toml")) as service:
        command = ("localize", "street.wav", "low", "--csv", "--server", service.url)
        refused = earmark(*command)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "Authorization: Bearer KEY" in refused.stderr
        assert earmark(*command, "--key-file", "key").stdout.startswith("query,onset_s")


def test_the_version_needs_no_package_of_the_server(earmark: Run) -> None:
    run = earmark("--version")
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["serve"], ["localize", "street.wav", "low"]])
def test_a_command_of_the_server_says_what_to_install(earmark: Run, clip: Path, arguments: list[str]) -> None:
    run = earmark(*arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert "pip install 'earmark[cpu]'" in run.stderr
    assert run.stderr.count("\n") == 1
