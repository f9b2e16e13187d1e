"""A load generator that uses little CPU, so that the service is measured and not the client.

Request bodies are prepared in advance and sent over persistent connections.
"""

import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import soundfile

ROOT = Path(__file__).parents[2]
BOUNDARY = "benchmark"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass(slots=True)
class Responses:
    """Responses of one run.

    Attributes:
        seconds: Response times of the responses with status 200, in seconds.
        statuses: Number of responses with each status.
        wall_s: Duration of the whole run, in seconds.
    """

    seconds: list[float] = field(default_factory=list[float])
    statuses: Counter[int] = field(default_factory=Counter[int])
    wall_s: float = 0.0

    @property
    def per_second(self) -> float:
        """Responses with status 200 a second."""
        return len(self.seconds) / self.wall_s

    def quantile_ms(self, level: float) -> float:
        """Quantile of the response times in milliseconds, such as the median at level 0.5."""
        return 1000 * float(np.quantile(self.seconds, level))


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs as a process."""

    url: str
    pid: int

    def memory_mib(self) -> float:
        """Resident memory now, in MiB."""
        return self._status_mib("VmRSS")

    def peak_memory_mib(self) -> float:
        """Peak of the resident memory since `reset_peak`, in MiB."""
        return self._status_mib("VmHWM")

    def reset_peak(self) -> None:
        """Starts the measurement of the peak memory anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status_mib(self, name: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1024


@contextmanager
def serving(**settings: str) -> Generator[Service]:
    """Runs the service as a process with the packaged bundle and the given EARMARK_* settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    environment = inherited | {"EARMARK_PORT": "0", "EARMARK_LOG_LEVEL": "error"} | settings
    command = [sys.executable, "-m", "service", "serve"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address, "the service did not start"
            yield Service(address.group(), process.pid)
        finally:
            process.terminate()


def clips(number: int, seconds: float = 10.0, seed: int = 0) -> Iterator[bytes]:
    """Makes distinct WAV clips of noise, 16 bit at 16 kHz."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        samples = (rng.standard_normal(round(seconds * 16_000)) * 3000).astype(np.int16)
        buffer = BytesIO()
        soundfile.write(buffer, samples, 16_000, format="WAV")
        yield buffer.getvalue()


def encoded(number: int, container: str, seed: int = 7) -> Iterator[bytes]:
    """Distinct clips of 10 s in another container."""
    for wav in clips(number, seed=seed):
        samples, rate_hz = soundfile.read(BytesIO(wav), dtype="int16")
        content = BytesIO()
        soundfile.write(content, samples, rate_hz, format=container)
        yield content.getvalue()


def form(clip: bytes | str, queries: Sequence[str], curves: str = "score", **fields: str) -> bytes:
    """Makes the body of a request from a clip's bytes or its id."""
    texts = [("query", query) for query in queries] + [("curves", curves), *fields.items()]
    if isinstance(clip, str):
        texts.append(("clip_id", clip))
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in texts]
    if isinstance(clip, bytes):
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
        parts.append(head.encode() + clip + b"\r\n")
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


class Client:
    """A persistent connection to the service."""

    def __init__(self, url: str, timeout_s: float = 120) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)

    def get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        return response.status, response.read()

    def post(self, body: bytes, clip_id: str | None = None) -> tuple[int, bytes]:
        """Sends a request; the id of its clip leads it to the replica that has the clip, as `earmark.Client` does."""
        headers = HEADERS if clip_id is None else {**HEADERS, "X-Session-ID": clip_id}
        self._connection.request("POST", "/localize", body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        self._connection.close()


def closed_loop(url: str, bodies: Sequence[bytes], n_clients: int, clip_ids: Sequence[str] | None = None) -> Responses:
    """Every client sends its next request after the response to its previous request, until all bodies are sent.

    Args:
        url: Address of the service.
        bodies: Bodies of the requests.
        n_clients: Number of clients.
        clip_ids: The id of the clip of each request, for its header.
    """
    requests = zip(bodies, clip_ids or [None] * len(bodies), strict=True)
    responses, lock = Responses(), threading.Lock()

    def work() -> None:
        with closing(Client(url)) as client:
            while True:
                with lock:
                    request = next(requests, None)
                if request is None:
                    return
                began = time.perf_counter()
                status, _ = client.post(*request)
                _count(responses, lock, status, time.perf_counter() - began)

    return _timed(responses, [work] * n_clients)


def open_loop(
    url: str, body_of: Callable[[int], bytes], n_clients: int, per_second: float, seconds: float
) -> Responses:
    """Sends requests at random times (a Poisson process) that do not depend on the service.

    The response time of a request counts from its planned time, also if no client is free to send it then: otherwise a slow
    response would hide the requests that it holds up (coordinated omission).
    """
    rng = np.random.default_rng(0)
    arrivals = np.cumsum(rng.exponential(1 / per_second, round(per_second * seconds)))
    responses, numbers, lock = Responses(), iter(range(len(arrivals))), threading.Lock()
    start_s = time.perf_counter()

    def work() -> None:
        with closing(Client(url)) as client:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                due_s = start_s + float(arrivals[number])
                time.sleep(max(0.0, due_s - time.perf_counter()))
                status, _ = client.post(body_of(number))
                _count(responses, lock, status, time.perf_counter() - due_s)

    return _timed(responses, [work] * n_clients)


def _count(responses: Responses, lock: threading.Lock, status: int, seconds: float) -> None:
    with lock:
        responses.statuses[status] += 1
        if status == 200:
            responses.seconds.append(seconds)


def _timed(responses: Responses, work: Sequence[Callable[[], None]]) -> Responses:
    threads = [threading.Thread(target=client) for client in work]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    responses.wall_s = time.perf_counter() - began
    return responses
