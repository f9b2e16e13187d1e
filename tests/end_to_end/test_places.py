"""`earmark serve` beside a Kubernetes Service of its name, behind a path prefix, without a reader, with a bad bundle."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests import patient_http
from tests.free_ports import free_port
from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "service", "serve"]
LINKS = {
    "EARMARK_SERVICE_HOST": "10.0.0.1",
    "EARMARK_SERVICE_PORT": "8000",
    "EARMARK_SERVICE_PORT_HTTP": "8000",
    "EARMARK_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "EARMARK_PORT_8000_TCP_PROTO": "tcp",
    "EARMARK_PORT_8000_TCP_PORT": "8000",
    "EARMARK_PORT_8000_TCP_ADDR": "10.0.0.1",
}


def _start(bundle: Path, shell: str = "exec {}", **environment: str) -> "tuple[subprocess.Popen[str], str]":
    """Starts the service from a line of a shell, and returns it and its URL once it answers."""
    port = str(free_port())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    settings = {"EARMARK_PORT": port, "EARMARK_BUNDLE": str(bundle), "EARMARK_INTRA_OP_THREADS": "1"}
    line = shell.format(" ".join(COMMAND))
    process = subprocess.Popen(
        ["sh", "-c", line], env=inherited | settings | environment, cwd=ROOT, text=True, stderr=subprocess.PIPE
    )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return patient_http.get(f"{url}/livez").status_code == 200
        except httpx.TransportError:
            assert process.poll() is None, process.communicate()[1]
            return False

    wait_until(answers)
    return process, url


def _stop(process: "subprocess.Popen[str]") -> str:
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    return log


def test_it_starts_beside_a_kubernetes_service_of_its_name_is_ready_at_once_and_says_so_once(tiny_bundle: Path) -> None:
    process, url = _start(tiny_bundle, **LINKS)
    assert "earmark_ready 1.0" in patient_http.get(f"{url}/metrics").text
    log = _stop(process)
    assert log.count("Kubernetes") == 1
    assert "EARMARK_SERVICE_HOST" in log


@pytest.mark.parametrize(
    "shell", ["exec {} >&-", "exec {} <&- >&-", "exec {} >/dev/full", "exec 3>&1; exec {} > >(true)"]
)
def test_without_a_reader_of_standard_output_it_serves_on_quietly(tiny_bundle: Path, shell: str) -> None:
    if ">(" in shell:
        shell = f"exec bash -c '{shell}'"
    process, url = _start(tiny_bundle, shell)
    assert patient_http.get(f"{url}/readyz").status_code == 200
    log = _stop(process)
    assert not re.search(r"Traceback|[A-Z]\w+Error|Exception|ERROR", log)


def test_a_prefix_is_part_of_problem_types_also_before_the_app(tiny_bundle: Path) -> None:
    process, url = _start(tiny_bundle, EARMARK_ROOT_PATH="/sound")
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as client:
        client.sendall(b"no HTTP\r\n\r\n")
        assert b'"type":"/sound/problems/not-http"' in b"".join(iter(lambda: client.recv(65_536), b""))
    _stop(process)


def _break_tokenizer(bundle: Path) -> str:
    (bundle / "tokenizer.json").write_text('{"version": "1.0", "model": {}}')
    document = json.loads((bundle / "manifest.json").read_text())
    document["files"]["tokenizer.json"] = hashlib.sha256((bundle / "tokenizer.json").read_bytes()).hexdigest()
    (bundle / "manifest.json").write_text(json.dumps(document))
    return "tokenizer.json cannot be used: "


def _nest_manifest(bundle: Path) -> str:
    (bundle / "manifest.json").write_text("[" * 200_000)
    return "manifest.json: the document is nested too deeply"


def _lengthen_windows(bundle: Path) -> str:
    document = json.loads((bundle / "manifest.json").read_text()) | {"window_frames": 16_000_000}
    (bundle / "manifest.json").write_text(json.dumps(document))
    return "manifest.json: window_frames * hop_samples is "


@pytest.mark.parametrize("harm", [_break_tokenizer, _nest_manifest, _lengthen_windows])
def test_a_broken_bundle_stops_the_start_with_one_line(tiny_bundle_copy: Path, harm: Callable[[Path], str]) -> None:
    message = harm(tiny_bundle_copy)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    settings = {"EARMARK_PORT": "0", "EARMARK_BUNDLE": str(tiny_bundle_copy), "EARMARK_LOG_LEVEL": "error"}
    run = subprocess.run(
        COMMAND, env=inherited | settings, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"earmark: {message}")
    assert run.stderr.count("\n") == 1
