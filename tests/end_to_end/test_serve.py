"""`earmark serve` as a process: its address, its answers, its end, and what stops its start."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

COMMAND = [sys.executable, "-m", "service", "serve"]
ROOT = Path(__file__).parents[2]


def _environment(**settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    return inherited | {f"EARMARK_{name}": value for name, value in settings.items()}


@pytest.fixture
def server(tiny_bundle: Path) -> Iterator["subprocess.Popen[str]"]:
    environment = _environment(BUNDLE=str(tiny_bundle), PORT="0", LOG_LEVEL="warning", INTRA_OP_THREADS="1")
    with subprocess.Popen(
        COMMAND, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def _address(server: "subprocess.Popen[str]") -> str:
    assert server.stdout is not None
    line = server.stdout.readline()
    found = re.fullmatch(r"Earmark listens on (http://127\.0\.0\.1:\d+) .*\n", line)
    assert found, line or server.communicate()
    return found.group(1)


def test_it_tells_its_address_answers_and_ends_when_it_is_told_to(server: "subprocess.Popen[str]") -> None:
    url = _address(server)
    assert httpx.get(f"{url}/readyz").json() == {"status": "ready"}
    clip = BytesIO()
    soundfile.write(clip, np.sin(2 * np.pi * 250 * np.arange(16_000) / 16_000) / 2, 16_000, format="WAV")
    files = [("audio", ("clip.wav", clip.getvalue())), ("query", (None, "low"))]
    assert httpx.post(f"{url}/localize", files=files).json()["results"][0]["present"]
    server.send_signal(signal.SIGTERM)
    _, told = server.communicate(timeout=30)
    assert (server.returncode, told) == (0, "")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"BUNDLE": "/nowhere"}, "/nowhere holds no manifest.json"),
        ({"PORT": "eighty"}, "EARMARK_PORT is 'eighty'"),
        ({"PROT": "80"}, "did you mean EARMARK_PORT?"),
        ({"HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1"),
    ],
)
def test_what_stops_the_start_is_told_in_one_line(settings: dict[str, str], said: str) -> None:
    run = subprocess.run(
        COMMAND, env=_environment(**{"PORT": "0"} | settings), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1
    assert said in run.stderr
