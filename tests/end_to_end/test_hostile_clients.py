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

from tests.repeating import repeating
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
    wav,
)
from tests.waiting import PATIENCE_S, shortest_s, wait_until

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
ANY_PACE = {"MIN_BYTES_PER_S": "0"}
"""Settings for connections that are to last until the test ends them, however long it takes."""


@pytest.mark.parametrize("sent", ["nothing", "a few bytes"])
def test_sockets_that_declare_much_and_send_little_lock_nobody_out(
    run: Run, hanging: list[socket.socket], sent: str
) -> None:
    with run(MAX_REQUESTS="2") as service:
        begin = head("Content-Length: 536870912") + (b"--b\r\n" if sent != "nothing" else b"")
        hanging += [service.send(begin) for _ in range(50)]
        assert service.post(SHORT).status_code == 200
        assert service.get("/readyz").status_code == 200
        assert service.refused("bytes") == service.refused("requests") == 0


def test_a_declared_size_beyond_the_limit_is_refused_at_once_and_the_connection_is_closed(run: Run) -> None:
    with run() as service:
        reply = read_reply(service.send(head("Content-Length: 99000000000")))
    assert (reply.status, reply.problem) == (413, "/problems/audio-too-large")
    assert "connection: close" in reply.headers


def test_while_everybody_is_refused_the_service_is_not_ready(run: Run, hanging: list[socket.socket]) -> None:
    with run(MAX_BYTES_IN_FLIGHT="1000000") as service:
        hanging.append(service.send(head("Content-Length: 999999") + form(bytes(999_000), "low")[:999_000]))
        wait_until(lambda: service.post(SHORT).status_code == 429)
        assert service.get("/readyz").status_code == 200  # it may be over soon
        wait_until(lambda: service.get("/readyz").status_code == 503)
        assert service.get("/readyz").json()["type"] == "/problems/saturated"
        assert service.get("/livez").status_code == 200
        hanging.pop().close()
        wait_until(lambda: service.get("/readyz").status_code == 200)
        assert service.post(SHORT).status_code == 200


def dripping(client: socket.socket, piece: bytes) -> contextlib.AbstractContextManager[None]:
    """Sends a few bytes from time to time until the end of the block."""

    def drip() -> None:
        with contextlib.suppress(OSError):  # the service has closed the connection
            client.sendall(piece)

    return repeating(drip, every_s=0.2)


@pytest.mark.parametrize(
    "begin",
    [head("Content-Length: 5000") + b"--b\r\n", head("Transfer-Encoding: chunked") + b"5\r\n--b\r\n\r\n"],
    ids=["declared", "chunked"],
)
def test_a_body_that_does_not_arrive_before_the_deadline_gets_408(run: Run, begin: bytes) -> None:
    with run(REQUEST_TIMEOUT_S="5", MAX_REQUESTS="1") as service:
        began_s = time.monotonic()
        client = service.send(begin)
        assert service.post(SHORT).status_code == 200
        with dripping(client, b"1\r\nx\r\n" if b"chunked" in begin else b"x"):  # changes nothing
            reply = read_reply(client)
        assert time.monotonic() - began_s > 4.9
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
        with dripping(client, b"x") if sent else contextlib.nullcontext():  # slowly, byte by byte
            reply = read_reply(client)
        assert time.monotonic() - began_s > 0.9
        assert reply.status == status
        if status:
            assert reply.problem == "/problems/request-too-slow"


def test_an_idle_connection_is_closed_after_its_time_and_not_before(run: Run) -> None:
    with run(KEEP_ALIVE_S="4", REQUEST_TIMEOUT_S="1") as service:
        client = service.send(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(1)
        began_s = time.monotonic()
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_reply(client).body.count(b"alive") == 2
        assert time.monotonic() - began_s > 3.5  # the time begins anew with each answer


def wait_for_answer(client: socket.socket) -> None:
    """Waits for the first byte of an answer, and does not read it."""
    assert client.recv(1, socket.MSG_PEEK)


def _open_sockets(service: Service) -> int:
    return len([c for c in psutil.Process(service.process.pid).net_connections("tcp") if c.status != "LISTEN"])


def test_a_client_that_does_not_read_its_answer_is_disconnected_at_the_deadline(run: Run) -> None:
    with run(REQUEST_TIMEOUT_S="8") as service:
        clip_id = service.post(flac(600)).json()["clip"]["id"]
        client = service.connect(receive_buffer=4096)
        client.sendall(request(None, *[f"q{i}" for i in range(64)], clip_id=clip_id, curves="both"))
        wait_for_answer(client)
        wait_until(lambda: service.metric('earmark_requests_total{route="/localize",status="499"}') == 1)
        wait_until(lambda: _open_sockets(service) == 0)
        client.close()
        assert "Traceback" not in service.log


def test_unread_answers_take_little_memory(run: Run, hanging: list[socket.socket]) -> None:
    with run(MAX_REQUESTS="20", **ANY_PACE) as service:
        clip_id = service.post(flac(3600), curves="none").json()["clip"]["id"]
        process = psutil.Process(service.process.pid)
        before = process.memory_info().rss
        queries = [f"q{i}" for i in range(64)]
        hanging += [service.connect(receive_buffer=4096) for _ in range(20)]
        for client in hanging:
            client.sendall(request(None, *queries, clip_id=clip_id, curves="both"))
        taken = [before]
        with repeating(lambda: taken.append(process.memory_info().rss), every_s=0.05):
            for client in hanging:
                wait_for_answer(client)
            time.sleep(4)  # the service could go on
        taken_mb = (max(taken) - before) / 1e6
        print(f"20 unread answers take {taken_mb:.0f} MB")
        assert taken_mb < 300
        assert shortest_s(lambda: service.get("/livez").raise_for_status()) < 1


def test_answers_beyond_the_budget_are_refused_until_others_are_read(run: Run) -> None:
    with run(MAX_ANSWER_BYTES="1048576") as service:
        clip_id = service.post(flac(600)).json()["clip"]["id"]
        sent = request(None, *[f"q{i}" for i in range(20)], clip_id=clip_id, curves="both")
        client = service.connect(receive_buffer=4096)
        client.sendall(sent)
        wait_for_answer(client)
        refused = read_reply_with_length(service.send(sent))
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-answer-bytes")
        assert "retry-after" in refused.headers
        assert service.refused("answers") == 1
        client.close()
        wait_until(lambda: read_reply_with_length(service.send(sent)).status_code == 200)


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
    with run(MAX_CONNECTIONS="20", **ANY_PACE) as service:
        hanging += [service.connect() for _ in range(30)]
        assert service.get("/readyz").status_code == 200
        assert service.post(SHORT).status_code == 200
        assert not any(map(is_closed, hanging))  # they may be about to send
        wait_until(lambda: sum(map(is_closed, hanging)) == 10)
        wait_until(lambda: _open_sockets(service) <= 20)


def test_beyond_the_limit_of_busy_connections_requests_get_429(run: Run, hanging: list[socket.socket]) -> None:
    with run(MAX_CONNECTIONS="5", **ANY_PACE) as service:
        hanging += [service.send(head("Content-Length: 5000")) for _ in range(5)]
        wait_until(lambda: service.metric("earmark_requests_in_flight") == 6)  # and the request for the metrics
        refused = service.post(SHORT)
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-connections")
        assert refused.headers["connection"] == "close"
        assert int(refused.headers["retry-after"]) >= 1
        assert service.get("/readyz").status_code == 200  # it may be over soon
        assert service.get("/livez").status_code == 200
        assert service.refused("connections") == 1
        for client in hanging:
            client.close()
        wait_until(lambda: service.post(SHORT).status_code == 200)


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
        wait_until(lambda: _open_sockets(service) == 0)


def test_used_up_descriptors_give_one_line_and_the_service_recovers(run: Run, hanging: list[socket.socket]) -> None:
    with run() as service:
        process = psutil.Process(service.process.pid)
        used = process.num_fds()
        process.rlimit(psutil.RLIMIT_NOFILE, (used + 10, process.rlimit(psutil.RLIMIT_NOFILE)[1]))
        hanging += [service.connect() for _ in range(40)]
        wait_until(lambda: "no connection can be accepted" in service.log)
        time.sleep(2.5)  # the service tries again each second
        for client in hanging:
            client.close()
        wait_until(lambda: _answers(service, SHORT))
        assert service.log.count("no connection can be accepted") == 1
        assert len(service.log.splitlines()) < 5, service.log
        assert "Traceback" not in service.log


def _answers(service: Service, clip: bytes) -> bool:
    try:
        return service.post(clip).status_code == 200
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
        assert service.get("/readyz").json() == {"status": "ready", "degraded": ["temporary-space"]}
        assert service.post(SHORT).status_code == 200
        (tmp_path / "tmp").mkdir()
        assert service.get("/readyz").json() == {"status": "ready"}
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
        timeout=PATIENCE_S,
        preexec_fn=limits,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1
    assert f"no file can be written in {place}" in run.stderr


def test_requests_that_outlast_the_grace_period_get_503_and_no_traceback_is_logged(run: Run) -> None:
    with run(GRACE_S="1", **ANY_PACE) as service, ThreadPoolExecutor(1) as pool:
        for decoder in service.decoders():
            decoder.suspend()
        uploading = service.send(head("Content-Length: 5000") + b"--b\r\n")
        running = pool.submit(service.post, flac(1))
        wait_until(lambda: service.metric("earmark_requests_in_flight") == 3)  # and the request for the metrics
        service.process.send_signal(signal.SIGTERM)
        answer, reply = running.result(), read_reply(uploading)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/ending")
        assert (reply.status, reply.problem) == (503, "/problems/ending")
        assert service.process.wait(timeout=PATIENCE_S) == 0
        assert "Traceback" not in service.log


def test_work_of_clients_that_have_gone_is_not_begun(run: Run) -> None:
    windows = "earmark_windows_total"
    with run(DECODERS="1", MAX_REQUESTS="8", MAX_WAIT_S="3600") as service:
        with service.decoders_stopped():
            clients = [service.send(request(flac(60 + i), "low")) for i in range(6)]
            wait_until(lambda: service.metric("earmark_requests_in_flight") == 7)  # and the request for the metrics
            for client in clients:
                client.close()
            wait_until(lambda: service.metric('earmark_requests_total{route="/localize",status="499"}') == 6)
            before = service.metric(windows)
        wait_until(lambda: service.metric("earmark_decoder_processes_busy") == 0)
        assert service.metric(windows) - before < 75  # the windows of one of the clips
        assert service.metric("earmark_requests_in_flight") == 1
        assert service.post(SHORT).status_code == 200


def test_hours_of_silence_in_a_small_file_are_refused_at_once(run: Run) -> None:
    clip = flac(36_000)
    assert len(clip) < 2_000_000
    with run() as service:
        answers = list[httpx.Response]()
        assert shortest_s(lambda: answers.append(service.post(clip))) < 2
        for answer in answers:
            assert (answer.status_code, answer.json()["type"]) == (413, "/problems/audio-too-long")
        assert service.metric("earmark_windows_total") == 0
