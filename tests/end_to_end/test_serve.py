"""`earmark serve` as a process: its address, its answers, its shutdown and its failures to start."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import soundfile

from tests import patient_http
from tests.service_process import flac, request, run_service
from tests.waiting import PATIENCE_S, shortest_s, wait_until

COMMAND = [sys.executable, "-m", "service", "serve"]
ROOT = Path(__file__).parents[2]


def _environment(**settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    return inherited | {f"EARMARK_{name}": value for name, value in settings.items()}


@pytest.fixture
def settings() -> dict[str, str]:
    """Settings of a test, added to the settings of all tests."""
    return {}


@pytest.fixture
def server(tiny_bundle: Path, tmp_path: Path, settings: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    environment = _environment(BUNDLE=str(tiny_bundle), PORT="0", LOG_LEVEL="warning", INTRA_OP_THREADS="1", **settings)
    environment["TMPDIR"] = str(tmp_path)
    with subprocess.Popen(
        COMMAND, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def _address(server: "subprocess.Popen[str]") -> str:
    assert server.stdout is not None
    line = server.stdout.readline()
    match = re.fullmatch(r"Earmark listens on (http://127\.0\.0\.1:\d+) .*\n", line)
    assert match, line or server.communicate()
    return match.group(1)


def test_it_prints_its_address_answers_and_exits_on_sigterm(server: "subprocess.Popen[str]") -> None:
    url = _address(server)
    assert patient_http.get(f"{url}/readyz").json() == {"status": "ready"}
    clip = BytesIO()
    tone = np.sin(2 * np.pi * 250 * np.arange(16_000) / 16_000) / 2
    noise = np.random.default_rng(0).uniform(-0.02, 0.02, 16_000)  # without it the log has the warning "narrow-band"
    soundfile.write(clip, tone + noise, 16_000, format="WAV")
    files = [("audio", ("clip.wav", clip.getvalue())), ("query", (None, "low"))]
    assert patient_http.post(f"{url}/localize", files=files).json()["results"][0]["present"]
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=PATIENCE_S)
    assert (server.returncode, log) == (0, "")


def test_clips_are_answered_when_decoders_are_killed_once_and_get_503_when_they_are_killed_again(
    server: "subprocess.Popen[str]",
) -> None:
    url, noise = _address(server), np.random.default_rng(0)

    def answer_while_decoders_are_killed(repeatedly: bool) -> httpx.Response:
        clip = BytesIO()
        soundfile.write(clip, noise.uniform(-1, 1, 16_000), 16_000, format="FLAC")
        _signal_decoders(server.pid, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(_post, url, clip.getvalue())
            wait_until(lambda: answer.done() or _metric(url, "earmark_decoder_processes_busy") == 1)
            while True:
                _signal_decoders(server.pid, signal.SIGKILL)
                if not repeatedly or answer.done():
                    return answer.result()
                _signal_decoders(server.pid, signal.SIGSTOP)

    while (problem := answer_while_decoders_are_killed(repeatedly=True)).status_code == 200:
        pass  # a decoder was faster than this process, which others may hold up
    assert (problem.status_code, problem.json()["type"]) == (503, "/problems/decoder-unavailable")
    assert int(problem.headers["retry-after"]) > 0
    assert answer_while_decoders_are_killed(repeatedly=False).status_code == 200


def _signal_decoders(service_id: int, number: signal.Signals) -> None:
    for decoder in psutil.Process(service_id).children():
        with contextlib.suppress(psutil.Error):
            decoder.send_signal(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_repeated_until_the_exit_does_not_interrupt_the_end(
    tiny_bundle: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with run_service(tiny_bundle, tmp_path) as service:

        def has_ended() -> bool:
            service.process.send_signal(number)
            return service.process.poll() is not None

        wait_until(has_ended)
        assert service.process.returncode == 0
        assert service.log == ""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_during_the_start_ends_all_processes(
    server: "subprocess.Popen[str]", number: signal.Signals, status: int
) -> None:
    wait_until(lambda: bool(psutil.Process(server.pid).children()))  # the model is opened from here on
    decoders = psutil.Process(server.pid).children()
    server.send_signal(number)
    out, err = server.communicate(timeout=PATIENCE_S)
    assert (server.returncode, out, err) == (status, "", "")
    assert not psutil.wait_procs(decoders, timeout=PATIENCE_S)[1]


_SIGNAL_DURING_AN_IMPORT = """
import os, signal, sys, threading
from service.__main__ import main

class Finder:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGTERM)
            if threading.current_thread() is threading.main_thread():
                print(name, "is imported where signals interrupt imports", file=sys.stderr)

sys.meta_path.insert(0, Finder())
sys.exit(main(["serve"]))
"""


@pytest.mark.parametrize("module", ["onnxruntime", "uvicorn.server"])
def test_a_signal_during_the_imports_does_not_interrupt_them(tiny_bundle: Path, module: str) -> None:
    run = _run_code(_SIGNAL_DURING_AN_IMPORT, module, BUNDLE=str(tiny_bundle))
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


_LOST_DEVICE = """
import sys
import service.engine.engine as engine
from service.__main__ import main

open_engine = engine.open_engine

def open_lost_engine(*arguments, on_device_lost):
    opened = open_engine(*arguments, on_device_lost=on_device_lost)
    close = opened.close
    opened.close = lambda: (print("closed"), close())
    on_device_lost(RuntimeError("the device is lost"))
    return opened

engine.open_engine = open_lost_engine
sys.exit(main(["serve"]))
"""


def test_a_lost_device_ends_the_service_with_status_1_and_closes_the_engine(tiny_bundle: Path) -> None:
    run = _run_code(_LOST_DEVICE, BUNDLE=str(tiny_bundle))
    assert (run.returncode, run.stdout.splitlines()[-1]) == (1, "closed")
    assert "the device failed" in run.stderr


@pytest.mark.parametrize("settings", [{"LOG_FORMAT": "json"}])
def test_what_the_audio_libraries_print_is_json_in_a_json_log(server: "subprocess.Popen[str]") -> None:
    url = _address(server)
    clip = BytesIO()
    soundfile.write(clip, np.random.default_rng(0).uniform(-0.5, 0.5, 48_000), 16_000, format="MP3")
    damaged = bytearray(clip.getvalue())
    damaged[2000:2400] = bytes(400)  # libmpg123 reports the damage on its standard error
    files = [("audio", ("clip.mp3", bytes(damaged))), ("query", (None, "low"))]
    assert patient_http.post(f"{url}/localize", files=files).status_code == 200
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=PATIENCE_S)
    assert all(isinstance(json.loads(line), dict) for line in log.splitlines())


@pytest.mark.parametrize("settings", [{"REDIS_URL": "unix:///nowhere"}])
def test_it_serves_although_the_configured_redis_does_not_answer(server: "subprocess.Popen[str]") -> None:
    url = _address(server)
    assert patient_http.get(f"{url}/readyz").json() == {"status": "ready", "degraded": ["redis"]}
    assert patient_http.head(f"{url}/clips/{'0' * 64}").status_code == 404
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0
    assert "WARNING service.engine.caching.opening: redis does not answer; clips are kept in memory" in log


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 hello\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70_000,
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["no HTTP", "a huge header", "no Host"],
)
def test_bytes_that_are_not_http_get_a_problem(server: "subprocess.Popen[str]", sent: bytes) -> None:
    head, body = _exchange(_address(server), sent)
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "/problems/not-http"


def test_a_client_that_hangs_up_leaves_nothing_behind(server: "subprocess.Popen[str]", tmp_path: Path) -> None:
    url = _address(server)
    host, port = url.removeprefix("http://").split(":")
    head = (
        f"POST /localize HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + bytes(3_000_000))
        wait_until(lambda: _open_files(server.pid, tmp_path))
    wait_until(lambda: not _open_files(server.pid, tmp_path))
    wait_until(lambda: 'route="/localize",status="499"} 1.0' in patient_http.get(f"{url}/metrics").text)
    assert list(tmp_path.iterdir()) == []


def _silence(hours: int) -> bytes:
    clip = BytesIO()
    soundfile.write(clip, np.zeros(hours * 3600 * 8_000, np.int16), 8_000, format="FLAC")
    return clip.getvalue()


def _post(url: str, clip: bytes) -> httpx.Response:
    return patient_http.post(
        f"{url}/localize", files=[("audio", ("a", clip)), ("query", (None, "low"))], data={"curves": "none"}
    )


def test_a_clip_that_runs_does_not_hold_up_the_probes(server: "subprocess.Popen[str]") -> None:
    url = _address(server)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_post, url, _silence(hours=1))
        wait_until(lambda: _metric(url, "earmark_windows_total") > 0)
        assert shortest_s(lambda: patient_http.get(f"{url}/livez").raise_for_status(), repeats=3) < 1
        assert running.result().status_code == 200


@pytest.mark.parametrize("settings", [{"GRACE_S": "300", "DECODERS": "1"}])
def test_on_sigterm_running_requests_finish_and_new_ones_are_refused(server: "subprocess.Popen[str]") -> None:
    url = _address(server)
    with ThreadPoolExecutor(1) as pool:
        _signal_decoders(server.pid, signal.SIGSTOP)
        running = pool.submit(_post, url, flac(1))
        wait_until(lambda: _metric(url, "earmark_decoder_processes_busy") == 1)
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: not _answers(url))
        assert not running.done()
        _signal_decoders(server.pid, signal.SIGCONT)
        assert running.result().status_code == 200
    assert server.wait(timeout=PATIENCE_S) == 0


@pytest.mark.parametrize("settings", [{"MAX_CLIP_S": "10800"}])
def test_a_client_that_hangs_up_while_its_clip_runs_frees_its_place(server: "subprocess.Popen[str]") -> None:
    url = _address(server)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(request(_silence(hours=3), "low"))
        wait_until(lambda: _metric(url, "earmark_windows_total") > 0)
    wait_until(lambda: _metric(url, 'earmark_requests_total{route="/localize",status="499"}') == 1)
    wait_until(lambda: _metric(url, "earmark_queued_windows") == 0)
    assert _metric(url, "earmark_windows_total") < 13_500  # the windows of the whole clip


def _run_code(code: str, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    return _run(command, PORT="0", INTRA_OP_THREADS="1", LOG_LEVEL="warning", **settings)


def _run(command: list[str], **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = _environment(**settings)
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)


def _answers(url: str) -> bool:
    try:
        return patient_http.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False


def _metric(url: str, series: str) -> float:
    return next(
        float(line.removeprefix(series))
        for line in patient_http.get(f"{url}/metrics").text.splitlines()
        if line.startswith(f"{series} ")
    )


def _exchange(url: str, sent: bytes) -> tuple[bytes, bytes]:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as client:
        client.sendall(sent)
        received = b"".join(iter(lambda: client.recv(65_536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def _open_files(pid: int, directory: Path) -> list[str]:
    targets: list[Path] = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the file was closed after the listing
            targets.append(link.readlink())
    return [str(target) for target in targets if target.is_relative_to(directory)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"BUNDLE": "/nowhere"}, "/nowhere has no manifest.json"),
        ({"PORT": "eighty"}, "EARMARK_PORT is 'eighty'"),
        ({"PROT": "80"}, "did you mean EARMARK_PORT?"),
        ({"HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1"),
        (
            {"HOST": "0.0.0.0"},
            "set EARMARK_KEYS_FILE to a file that `earmark key new NAME --file FILE` has made, EARMARK_OPEN",
        ),
        ({"KEYS_FILE": "/nowhere"}, "keys file /nowhere cannot be used: No such file or directory (EARMARK_KEYS_FILE)"),
        ({"REDIS_URL": "http://redis"}, "EARMARK_REDIS_URL is 'http://redis'"),
    ],
)
def test_a_failed_start_prints_one_line(settings: dict[str, str], message: str) -> None:
    run = _run(COMMAND, **{"PORT": "0"} | settings)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1
    assert message in run.stderr


def test_a_damaged_model_stops_the_start_with_one_line(tiny_bundle: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(tiny_bundle, tmp_path / "damaged"))
    (damaged / "text.onnx").write_bytes(b"damaged")
    run = _run(COMMAND, PORT="0", BUNDLE=str(damaged))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1
    assert "text.onnx" in run.stderr
