"""`earmark serve` with metrics on a port of their own."""

import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests import patient_http
from tests.free_ports import free_port
from tests.service_process import ROOT, flac, read_reply, run_service
from tests.waiting import PATIENCE_S, wait_until


def test_metrics_are_served_until_the_last_request_has_ended(tiny_bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    settings = {"METRICS_PORT": str(port), "DECODERS": "1", "GRACE_S": "300"}
    with run_service(tiny_bundle, tmp_path, **settings) as service, ThreadPoolExecutor(1) as pool:
        assert service.get("/metrics").status_code == 404
        (decoder,) = service.decoders()
        decoder.suspend()
        running = pool.submit(service.post, flac(1))
        wait_until(lambda: "earmark_decoder_processes_busy 1.0" in patient_http.get(url).text)
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "earmark_ready 0.0" in patient_http.get(url).text)
        assert not running.done()
        decoder.resume()
        assert running.result().status_code == 200
        assert service.process.wait(timeout=PATIENCE_S) == 0
        assert "ERROR" not in service.log
        with pytest.raises(httpx.TransportError):
            patient_http.get(url)


def test_slow_and_many_connections_are_limited_there_too(tiny_bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    settings = {"METRICS_PORT": str(port), "REQUEST_TIMEOUT_S": "1", "KEEP_ALIVE_S": "1"}
    with run_service(tiny_bundle, tmp_path, **settings) as service:
        clients = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) for _ in range(200)]
        assert patient_http.get(f"http://127.0.0.1:{port}/metrics").status_code == 200
        assert patient_http.get(f"{service.url}/livez").status_code == 200
        slow = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
        assert read_reply(slow).status == 408
        for client in clients:
            client.close()
        assert service.stop() == 0


@pytest.mark.parametrize("same", [True, False])
def test_a_port_that_is_taken_stops_the_start_with_one_line(tiny_bundle: Path, same: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = free_port() if same else listener.getsockname()[1]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
        settings = {"EARMARK_BUNDLE": str(tiny_bundle), "EARMARK_PORT": str(port if same else 0)}
        settings["EARMARK_METRICS_PORT"] = str(port)
        command = [sys.executable, "-m", "service", "serve"]
        run = subprocess.run(
            command, env=inherited | settings, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
        )
    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch(
        rf"earmark: cannot listen on 127\.0\.0\.1:{port}: .* \(EARMARK_METRICS_HOST, EARMARK_METRICS_PORT\)\n",
        run.stderr,
    )


def test_the_address_of_the_metrics_is_printed(tiny_bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    settings = {"EARMARK_BUNDLE": str(tiny_bundle), "EARMARK_PORT": "0", "EARMARK_METRICS_PORT": str(port)}
    command = [sys.executable, "-m", "service", "serve"]
    with subprocess.Popen(command, env=inherited | settings, cwd=ROOT, text=True, stdout=-1, stderr=-1) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith(f"/docs), metrics on http://127.0.0.1:{port}/metrics\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0
