"""`earmark serve` where it must run: beside a Kubernetes Service of its name, behind a prefix, and without a reader."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

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
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    settings = {"EARMARK_PORT": port, "EARMARK_BUNDLE": str(bundle), "EARMARK_INTRA_OP_THREADS": "1"}
    line = shell.format(" ".join(COMMAND))
    process = subprocess.Popen(
        ["sh", "-c", line], env=inherited | settings | environment, cwd=ROOT, text=True, stderr=subprocess.PIPE
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            httpx.get(f"{url}/livez")
        except httpx.TransportError:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.1)
        else:
            return process, url
    raise AssertionError("the service does not answer")


def _stop(process: "subprocess.Popen[str]") -> str:
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    return log


def test_it_starts_beside_a_kubernetes_service_of_its_name_is_ready_at_once_and_says_so_once(tiny_bundle: Path) -> None:
    process, url = _start(tiny_bundle, **LINKS)
    assert "earmark_ready 1.0" in httpx.get(f"{url}/metrics").text
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
    assert httpx.get(f"{url}/readyz").status_code == 200
    log = _stop(process)
    assert not re.search(r"Traceback|[A-Z]\w+Error|Exception|ERROR", log)


def test_a_prefix_is_part_of_problem_types_also_before_the_app(tiny_bundle: Path) -> None:
    process, url = _start(tiny_bundle, EARMARK_ROOT_PATH="/sound")
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"no HTTP\r\n\r\n")
        assert b'"type":"/sound/problems/not-http"' in b"".join(iter(lambda: client.recv(65_536), b""))
    _stop(process)
