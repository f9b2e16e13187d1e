"""Clients that take places and resources and give nothing: the service stays open to everybody else."""

import contextlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.service_process import (
    Service,
    flac,
    form,
    head,
    is_closed,
    limit_to,
    read_reply,
    request,
    run_service,
    soon,
    wav,
)

Run = Callable[..., "contextlib.AbstractContextManager[Service]"]


@pytest.fixture
def run(tiny_bundle: Path, tmp_path: Path) -> Run:
    return lambda **settings: run_service(tiny_bundle, tmp_path, **settings)


@pytest.fixture
def hanging() -> Iterator[list[socket.socket]]:
    """Connections that a test leaves open."""
    clients: list[socket.socket] = []
    yield clients
    for client in clients:
        client.close()


SHORT = wav(1)


@pytest.mark.parametrize("sent", ["nothing", "a few bytes"])
def test_sockets_that_declare_much_and_send_little_lock_nobody_out(
    run: Run, hanging: list[socket.socket], sent: str
) -> None:
    with run(MAX_REQUESTS="2") as service:
        begin = head("Content-Length: 536870912") + (b"--b\r\n" if sent != "nothing" else b"")
        hanging += [service.send(begin) for _ in range(50)]
        assert service.post(SHORT).status_code == 200
        assert httpx.get(f"{service.url}/readyz").status_code == 200
        assert service.refused("bytes") == service.refused("requests") == 0


def test_a_declared_size_beyond_the_limit_is_refused_at_once_and_the_connection_is_closed(run: Run) -> None:
    with run() as service:
        reply = read_reply(service.send(head("Content-Length: 99000000000")))
    assert (reply.status, reply.problem) == (413, "/problems/audio-too-large")
    assert "connection: close" in reply.headers


def test_while_everybody_is_refused_the_service_is_not_ready(run: Run, hanging: list[socket.socket]) -> None:
    with run(MAX_BYTES_IN_FLIGHT="1000000") as service:
        hanging.append(service.send(head("Content-Length: 999999") + form(bytes(999_000), "low")[:999_000]))
        assert soon(lambda: service.post(SHORT).status_code == 429)
        assert httpx.get(f"{service.url}/readyz").status_code == 200  # it may be over soon
        assert soon(lambda: httpx.get(f"{service.url}/readyz").status_code == 503, seconds=15)
        assert httpx.get(f"{service.url}/readyz").json()["type"] == "/problems/saturated"
        assert httpx.get(f"{service.url}/livez").status_code == 200
        hanging.pop().close()
        assert soon(lambda: httpx.get(f"{service.url}/readyz").status_code == 200)
        assert service.post(SHORT).status_code == 200


@pytest.mark.parametrize(
    "begin",
    [head("Content-Length: 5000") + b"--b\r\n", head("Transfer-Encoding: chunked") + b"5\r\n--b\r\n\r\n"],
    ids=["declared", "chunked"],
)
def test_a_body_that_does_not_arrive_before_the_deadline_gets_408(run: Run, begin: bytes) -> None:
    with run(REQUEST_TIMEOUT_S="1", MAX_REQUESTS="1") as service:
        began_s = time.monotonic()
        client = service.send(begin)
        for _ in range(4):  # a byte from time to time changes nothing
            time.sleep(0.2)
            client.sendall(b"1\r\nx\r\n" if b"chunked" in begin else b"x")
        assert service.post(SHORT).status_code == 200
        reply = read_reply(client)
        assert 0.9 < time.monotonic() - began_s < 3
        assert (reply.status, reply.problem) == (408, "/problems/upload-timed-out")
        assert "connection: close" in reply.headers
        assert service.refused("slow") == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", 0), (b"GET /liv", 408), (b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: ", 408)],
    ids=["nothing", "a request line", "headers"],
)
def test_a_head_that_does_not_arrive_before_the_deadline_closes_the_connection(
    run: Run, sent: bytes, status: int
) -> None:
    with run(REQUEST_TIMEOUT_S="1") as service:
        began_s = time.monotonic()
        client = service.send(sent)
        for byte in sent[:8]:  # slowly, byte by byte
            time.sleep(0.1)
            client.sendall(b"" if byte == 0 else b"x")
        reply = read_reply(client)
        assert 0.9 < time.monotonic() - began_s < 3
        assert reply.status == status
        if status:
            assert reply.problem == "/problems/request-too-slow"


def test_an_idle_connection_is_closed_after_its_time_and_not_before(run: Run) -> None:
    with run(KEEP_ALIVE_S="2", REQUEST_TIMEOUT_S="1") as service:
        client = service.send(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(1.5)
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        began_s = time.monotonic()
        assert read_reply(client).body.count(b"alive") == 2
        assert 1.5 < time.monotonic() - began_s < 4


def _open_sockets(service: Service) -> int:
    return len([c for c in psutil.Process(service.process.pid).net_connections("tcp") if c.status != "LISTEN"])


def test_a_client_that_does_not_read_its_answer_is_disconnected_at_the_deadline(run: Run) -> None:
    with run(REQUEST_TIMEOUT_S="3") as service:
        clip = flac(600)
        clip_id = service.post(clip).json()["clip"]["id"]
        client = service.connect(receive_buffer=4096)
        client.sendall(request(None, *[f"q{i}" for i in range(64)], clip_id=clip_id, curves="both"))
        assert soon(lambda: _open_sockets(service) == 1)
        assert soon(lambda: _open_sockets(service) == 0, seconds=8)
        client.close()
        assert service.metric('earmark_requests_total{route="/localize",status="499"}') == 1
        assert "Traceback" not in service.log


def test_unread_answers_take_little_memory(run: Run, hanging: list[socket.socket]) -> None:
    with run(MAX_REQUESTS="20") as service:
        clip_id = service.post(flac(3600), timeout=300, curves="none").json()["clip"]["id"]
        process = psutil.Process(service.process.pid)
        before = process.memory_info().rss
        queries = [f"q{i}" for i in range(64)]
        hanging += [service.connect(receive_buffer=4096) for _ in range(20)]
        for client in hanging:
            client.sendall(request(None, *queries, clip_id=clip_id, curves="both"))
        peak = 0
        end_s = time.monotonic() + 12
        while time.monotonic() < end_s:
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.05)
        taken_mb = (peak - before) / 1e6
        print(f"20 unread answers take {taken_mb:.0f} MB")
        assert taken_mb < 300
        assert httpx.get(f"{service.url}/livez").elapsed.total_seconds() < 1


def test_answers_beyond_the_budget_are_refused_until_others_are_read(run: Run) -> None:
    with run(MAX_ANSWER_BYTES="1048576", REQUEST_TIMEOUT_S="30") as service:
        clip_id = service.post(flac(600)).json()["clip"]["id"]
        sent = request(None, *[f"q{i}" for i in range(20)], clip_id=clip_id, curves="both")
        client = service.connect(receive_buffer=4096)
        client.sendall(sent)
        time.sleep(1)
        refused = read_reply_with_length(service.send(sent))
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-answer-bytes")
        assert "retry-after" in refused.headers
        assert service.refused("answers") == 1
        client.close()
        assert soon(lambda: read_reply_with_length(service.send(sent)).status_code == 200)


def read_reply_with_length(client: socket.socket) -> httpx.Response:
    """Reads one answer and closes the connection."""
    import h11

    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "a"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    status, headers, body = 0, list[tuple[bytes, bytes]](), b""
    with client:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(client.recv(1 << 20))
            elif isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                body += event.data
    return httpx.Response(status, headers=[h for h in headers if h[0] != b"transfer-encoding"], content=body)


def test_silent_connections_take_no_place_and_are_closed_after_a_while(run: Run, hanging: list[socket.socket]) -> None:
    with run(MAX_CONNECTIONS="20") as service:
        hanging += [service.connect() for _ in range(30)]
        assert httpx.get(f"{service.url}/readyz").status_code == 200
        assert service.post(SHORT).status_code == 200
        assert not any(map(is_closed, hanging))  # they may be about to send
        assert soon(lambda: sum(map(is_closed, hanging)) == 10, seconds=30)
        assert soon(lambda: _open_sockets(service) <= 20)


def test_beyond_the_limit_of_busy_connections_requests_get_429(run: Run, hanging: list[socket.socket]) -> None:
    with run(MAX_CONNECTIONS="5") as service:
        hanging += [service.send(head("Content-Length: 5000")) for _ in range(5)]
        time.sleep(0.3)
        refused = service.post(SHORT)
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-connections")
        assert refused.headers["connection"] == "close"
        assert int(refused.headers["retry-after"]) >= 1
        assert httpx.get(f"{service.url}/readyz").status_code == 200  # it may be over soon
        assert httpx.get(f"{service.url}/livez").status_code == 200
        assert service.refused("connections") == 1
        for client in hanging:
            client.close()
        assert soon(lambda: service.post(SHORT).status_code == 200)


def test_of_many_requests_at_once_each_is_answered_with_200_or_429(run: Run, hanging: list[socket.socket]) -> None:
    with run(MAX_CONNECTIONS="50", MAX_REQUESTS="20") as service:
        hanging += [service.connect() for _ in range(300)]
        for number, client in enumerate(hanging):
            client.sendall(request(wav(1 + number / 8000), "low"))
        replies = [read_reply_with_length(client) for client in hanging]
        assert {reply.status_code for reply in replies} == {200, 429}
        refused = [reply for reply in replies if reply.status_code == 429]
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)


def test_a_refused_upload_is_closed_even_if_the_client_sends_on(run: Run) -> None:
    with run() as service:
        client = service.send(head("Content-Length: 50000000", path="/nowhere"))
        client.sendall(bytes(20_000_000))  # the answer is not lost by a reset
        reply = read_reply(client)
        assert (reply.status, reply.problem) == (404, "/problems/not-found")
        assert "connection: close" in reply.headers
        assert soon(lambda: _open_sockets(service) == 0, seconds=10)


def test_used_up_descriptors_give_one_line_and_the_service_recovers(run: Run, hanging: list[socket.socket]) -> None:
    with run() as service:
        process = psutil.Process(service.process.pid)
        used = process.num_fds()
        process.rlimit(psutil.RLIMIT_NOFILE, (used + 10, process.rlimit(psutil.RLIMIT_NOFILE)[1]))
        hanging += [service.connect() for _ in range(40)]
        time.sleep(3.5)
        for client in hanging:
            client.close()
        assert soon(lambda: _answers(service, SHORT), seconds=10)
        assert service.log.count("no connection can be accepted") == 1
        assert len(service.log.splitlines()) < 5, service.log
        assert "Traceback" not in service.log


def _answers(service: Service, clip: bytes) -> bool:
    try:
        return service.post(clip, timeout=3).status_code == 200
    except httpx.TransportError:
        return False


LARGE = wav(120)  # 1.9 MB
"""A clip that is too large to be received in memory."""


def test_full_temporary_space_gives_507_and_is_told_by_readiness(tiny_bundle: Path, tmp_path: Path) -> None:
    with run_service(tiny_bundle, tmp_path, limit_to(resource.RLIMIT_FSIZE, 1 << 17)) as service:
        for _ in range(2):
            answer = service.post(LARGE)
            assert (answer.status_code, answer.json()["type"]) == (507, "/problems/temporary-space-full")
        assert service.post(SHORT).status_code == 200
        assert service.log.count("a temporary file for an upload cannot be written") == 1
        assert "Traceback" not in service.log


def test_temporary_space_that_vanishes_gives_507_until_it_is_back(run: Run, tmp_path: Path) -> None:
    with run() as service:
        shutil.rmtree(tmp_path / "tmp")
        answer = service.post(LARGE)
        assert (answer.status_code, answer.json()["type"]) == (507, "/problems/temporary-space-full")
        assert httpx.get(f"{service.url}/readyz").json() == {"status": "ready", "degraded": ["temporary-space"]}
        assert service.post(SHORT).status_code == 200
        (tmp_path / "tmp").mkdir()
        assert httpx.get(f"{service.url}/readyz").json() == {"status": "ready"}
        assert service.post(LARGE).status_code == 200


@pytest.mark.parametrize("directory", ["missing", "full"])
def test_without_temporary_space_the_start_fails_in_one_line(tmp_path: Path, directory: str) -> None:
    limits = limit_to(resource.RLIMIT_FSIZE, 1000) if directory == "full" else lambda: None
    place = tmp_path / "nowhere" if directory == "missing" else tmp_path
    run = subprocess.run(
        [sys.executable, "-m", "service", "serve"],
        env={"TMPDIR": str(place), "EARMARK_PORT": "0", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limits,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1
    assert f"no file can be written in {place}" in run.stderr


def test_requests_that_outlast_the_grace_period_get_503_and_no_traceback_is_logged(run: Run) -> None:
    with run(GRACE_S="1") as service, ThreadPoolExecutor(1) as pool:
        for decoder in psutil.Process(service.process.pid).children():
            decoder.suspend()
        uploading = service.send(head("Content-Length: 5000") + b"--b\r\n")
        running = pool.submit(service.post, flac(1))
        assert soon(lambda: service.metric("earmark_requests_in_flight") == 3)  # and the request for the metrics
        service.process.send_signal(signal.SIGTERM)
        answer, reply = running.result(), read_reply(uploading)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/ending")
        assert (reply.status, reply.problem) == (503, "/problems/ending")
        assert service.process.wait(timeout=10) == 0
        assert "Traceback" not in service.log


def test_work_of_clients_that_have_gone_is_not_begun(run: Run) -> None:
    with run(DECODERS="1", MAX_REQUESTS="8") as service:
        decoders = psutil.Process(service.process.pid).children()
        for decoder in decoders:
            decoder.suspend()
        clients = [service.send(request(flac(60 + i), "low")) for i in range(6)]
        time.sleep(0.1)
        for client in clients:
            client.close()
        assert soon(lambda: service.metric("earmark_requests_in_flight") == 1)  # the request for the metrics
        assert service.metric('earmark_requests_total{route="/localize",status="499"}') == 6
        time.sleep(1)
        assert service.metric("earmark_windows_total") == 0
        assert service.post(SHORT).status_code == 200


def test_hours_of_silence_in_a_small_file_are_refused_at_once(run: Run) -> None:
    clip = flac(36_000)
    assert len(clip) < 2_000_000
    with run() as service:
        for _ in range(2):
            began_s = time.monotonic()
            answer = service.post(clip)
            assert (answer.status_code, answer.json()["type"]) == (413, "/problems/audio-too-long")
            assert time.monotonic() - began_s < 2
        assert service.metric("earmark_windows_total") == 0
