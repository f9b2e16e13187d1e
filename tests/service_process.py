"""`earmark serve` as a process for tests that talk to it over sockets of their own."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import soundfile

from tests import patient_http
from tests.repeating import repeating
from tests.waiting import PATIENCE_S

COMMAND = [sys.executable, "-m", "service", "serve"]
ROOT = Path(__file__).parents[1]
BOUNDARY = "b"
DECODER = "service.engine.decoder_process"


@dataclass
class Service:
    """A running service.

    Attributes:
        process: The process, whose standard error is the log file.
        url: Its address.
        log_file: File with the lines of its log.
    """

    process: "subprocess.Popen[str]"
    url: str
    log_file: Path

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def get(self, path: str) -> httpx.Response:
        return patient_http.get(f"{self.url}{path}")

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        """A new connection; with a small receive buffer, answers that are not read stay at the service."""
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE_S)
        client.connect(self.address)
        return client

    def send(self, content: bytes) -> socket.socket:
        """A new connection on which bytes were sent."""
        client = self.connect()
        client.sendall(content)
        return client

    def post(self, clip: bytes, *queries: str, **fields: str) -> httpx.Response:
        files: list[Any] = [("audio", ("a", clip)), *(("query", (None, query)) for query in queries or ("low",))]
        return patient_http.post(f"{self.url}/localize", files=files, data=fields)

    def metric(self, series: str) -> float:
        lines = self.get("/metrics").text.splitlines()
        return next(float(line.removeprefix(series)) for line in lines if line.startswith(f"{series} "))

    def refused(self, reason: str) -> float:
        return self.metric(f'earmark_requests_refused_total{{reason="{reason}"}}')

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def decoders(self) -> list[psutil.Process]:
        """The processes that decode clips."""
        return psutil.Process(self.process.pid).children()

    @contextmanager
    def decoders_stopped(self) -> Iterator[None]:
        """Stops all decoders until the end of the block, also those that are started meanwhile."""

        def stop() -> None:
            for decoder in self.decoders():
                with suppress(psutil.Error):
                    # a child that is not a decoder yet is not stopped: the service waits for the start of its program
                    if DECODER in decoder.cmdline():
                        decoder.suspend()

        try:
            with repeating(stop, every_s=0.005):
                yield
        finally:
            for decoder in self.decoders():
                with suppress(psutil.Error):
                    decoder.resume()


@contextmanager
def run_service(
    bundle: Path, directory: Path, limits: Callable[[], object] = lambda: None, **settings: str
) -> Iterator[Service]:
    """Runs a service until the end of the block.

    Args:
        bundle: The model bundle.
        directory: Directory for the log; its subdirectory `tmp` is used for temporary files.
        limits: Called in the process before it starts, to set resource limits.
        settings: Settings without their prefix.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    defaults = {"BUNDLE": str(bundle), "PORT": "0", "LOG_LEVEL": "warning", "INTRA_OP_THREADS": "1"}
    environment = inherited | {f"EARMARK_{name}": value for name, value in (defaults | settings).items()}
    temporary = directory / "tmp"
    temporary.mkdir(exist_ok=True)
    environment["TMPDIR"] = str(temporary)
    log_file = directory / "log"
    with (
        log_file.open("w") as log,
        subprocess.Popen(
            COMMAND, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=log, preexec_fn=limits
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.search(r"http://[0-9.]+:\d+", line)
            assert match, line or log_file.read_text()
            yield Service(process, match.group(), log_file)
        finally:
            process.kill()


def limit_to(kind: int, soft: int) -> Callable[[], None]:
    """A function for `limits` of `run_service` that sets a resource limit."""
    return lambda: resource.setrlimit(kind, (soft, soft))


def head(*lines: str, path: str = "/localize", method: str = "POST") -> bytes:
    """The head of a request with a form."""
    content_type = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", content_type, *lines, "", ""]).encode()


def form(clip: bytes | None, *queries: str, **fields: str) -> bytes:
    """The body of a form."""
    parts = [] if clip is None else [b'name="audio"; filename="a"\r\n\r\n' + clip]
    texts = [("query", query) for query in queries] + list(fields.items())
    parts += [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in texts]
    begin = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    return b"".join(begin + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def request(clip: bytes | None, *queries: str, **fields: str) -> bytes:
    """A complete request to POST /localize."""
    body = form(clip, *queries, **fields)
    return head(f"Content-Length: {len(body)}") + body


@dataclass(frozen=True)
class Reply:
    """What a service sent on a connection until it closed the connection."""

    status: int
    headers: str
    body: bytes

    @property
    def problem(self) -> str:
        return json.loads(self.body)["type"]


def read_reply(client: socket.socket) -> Reply:
    """Reads until the service closes the connection."""
    with client:
        received = b"".join(iter(lambda: client.recv(65_536), b""))
    first, _, body = received.partition(b"\r\n\r\n")
    return Reply(int(first.split()[1]) if first else 0, first.decode().lower(), body)


def is_closed(client: socket.socket) -> bool:
    """Whether the service has closed the connection without an answer."""
    client.settimeout(0.01)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def wav(seconds: float, rate_hz: int = 8_000) -> bytes:
    clip = BytesIO()
    soundfile.write(clip, np.zeros(int(seconds * rate_hz), np.int16), rate_hz, format="WAV")
    return clip.getvalue()


def flac(seconds: float, rate_hz: int = 8_000) -> bytes:
    clip = BytesIO()
    soundfile.write(clip, np.zeros(int(seconds * rate_hz), np.int16), rate_hz, format="FLAC")
    return clip.getvalue()
