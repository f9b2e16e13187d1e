"""The commands with standard streams that are closed, full or without a reader."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.standard_streams import write_line
from tests.clips import wav

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="the platform has no /dev/full")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    path.write_bytes(wav(np.zeros(16_000, np.float32)))
    return path


def _run(redirections: str, *arguments: str, unbuffered: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs `earmark` with redirections of the shell, such as `>&-`."""
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    command = ["sh", "-c", f'exec "$0" -m service "$@" {redirections}', sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60)


@pytest.mark.parametrize(("form", "unbuffered"), [([], ""), ([], "1"), (["--json"], ""), (["--csv"], "1")])
@pytest.mark.parametrize(
    ("redirections", "message"),
    [
        (">&-", "earmark: Bad file descriptor\n"),
        ("<&- >&-", "earmark: Bad file descriptor\n"),
        pytest.param(">/dev/full", "earmark: No space left on device\n", marks=needs_full),
    ],
)
def test_results_that_cannot_be_written_give_one_line_and_status_2(
    clip: Path, tiny_bundle: Path, redirections: str, message: str, form: list[str], unbuffered: str
) -> None:
    run = _run(redirections, "localize", "--bundle", str(tiny_bundle), str(clip), "low", *form, unbuffered=unbuffered)
    lines = run.stderr.splitlines(keepends=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert [line for line in lines if not line.startswith("earmark: warning: ")] == [message]


@pytest.mark.parametrize("redirections", ["2>&-", "<&- 2>&-", pytest.param("2>/dev/full", marks=needs_full)])
def test_warnings_that_cannot_be_written_leave_the_results(clip: Path, tiny_bundle: Path, redirections: str) -> None:
    arguments = ["localize", "--bundle", str(tiny_bundle), str(clip), "low", "--json"]
    expected, run = _run("", *arguments), _run(redirections, *arguments)
    assert expected.stderr.startswith("earmark: warning: ")
    assert (run.returncode, run.stdout) == (0, expected.stdout)


@pytest.mark.parametrize("redirections", ["2>&-", ">&- 2>&-", pytest.param("2>/dev/full", marks=needs_full)])
@pytest.mark.parametrize("arguments", [["localize", "absent.wav", "low"], ["localize", "--unknown"], []])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_error_that_cannot_be_written_gives_status_2(
    redirections: str, arguments: list[str], unbuffered: str
) -> None:
    run = _run(redirections, *arguments, unbuffered=unbuffered)
    assert (run.returncode, run.stdout, run.stderr) == (2, "", "")


@pytest.mark.parametrize("redirections", [">&-", pytest.param(">/dev/full", marks=needs_full)])
@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_a_help_that_cannot_be_written_gives_one_line_and_status_2(redirections: str, argument: str) -> None:
    run = _run(redirections, argument)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert run.stderr.startswith("earmark: ")


def test_a_line_without_a_reader_is_lost() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        write_line(stream, "lost")
        write_line(stream, "lost too")
