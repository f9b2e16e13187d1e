"""A client that costs next to nothing, so that what is measured is the service: prepared requests over kept connections."""

import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
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
class Answers:
    """What came back: seconds of the answers with status 200, how often each status came, and the whole time."""

    seconds: list[float] = field(default_factory=list[float])
    statuses: Counter[int] = field(default_factory=Counter[int])
    wall_s: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.wall_s

    def quantile_ms(self, share: float) -> float:
        return 1000 * float(np.quantile(self.seconds, share))


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    url: str
    pid: int

    def memory_mib(self) -> float:
        """What it holds in memory now."""
        return self._status_mib("VmRSS")

    def peak_memory_mib(self) -> float:
        """The most that it held in memory since `forget_peak`."""
        return self._status_mib("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status_mib(self, name: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1024


@contextmanager
def serving(**settings: str) -> Generator[Service]:
    """The real process with the packaged bundle."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    environment = inherited | {"EARMARK_PORT": "0", "EARMARK_LOG_LEVEL": "error"} | settings
    command = [sys.executable, "-m", "service", "serve"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, "the service did not start"
            yield Service(found.group(), process.pid)
        finally:
            process.terminate()


def clips(number: int, seconds: float = 10.0, seed: int = 0) -> Iterator[bytes]:
    """Distinct WAV clips of noise, 16 bit at 16 kHz."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        samples = (rng.standard_normal(round(seconds * 16_000)) * 3000).astype(np.int16)
        buffer = BytesIO()
        soundfile.write(buffer, samples, 16_000, format="WAV")
        yield buffer.getvalue()


def form(clip: bytes | str, queries: Sequence[str], curves: str = "score", **fields: str) -> bytes:
    """The body of a request: a clip's bytes, or its id."""
    named = [("query", query) for query in queries] + [("curves", curves), *fields.items()]
    if isinstance(clip, str):
        named.append(("clip_id", clip))
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in named]
    if isinstance(clip, bytes):
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
        parts.append(head.encode() + clip + b"\r\n")
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


class Client:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)

    def get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def post(self, body: bytes) -> tuple[int, bytes]:
        self._connection.request("POST", "/localize", body, HEADERS)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def closed_loop(url: str, bodies: Sequence[bytes], n_clients: int) -> Answers:
    """Every client sends its next request when the last one is answered, until all bodies are sent."""
    answers, waiting, lock = Answers(), iter(bodies), threading.Lock()

    def work() -> None:
        client = Client(url)
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            began = time.perf_counter()
            status, _ = client.post(body)
            _count(answers, lock, status, time.perf_counter() - began)

    return _timed(answers, [work] * n_clients)


def open_loop(url: str, body_of: Callable[[int], bytes], n_clients: int, per_second: float, seconds: float) -> Answers:
    """Requests come at random (Poisson) whatever the service does, as long as a client is free; time counts from arrival."""
    rng = np.random.default_rng(0)
    arrivals = np.cumsum(rng.exponential(1 / per_second, round(per_second * seconds)))
    answers, numbers, lock = Answers(), iter(range(len(arrivals))), threading.Lock()
    start = time.perf_counter()

    def work() -> None:
        client = Client(url)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            due = start + float(arrivals[number])
            time.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            status, _ = client.post(body_of(number))
            _count(answers, lock, status, time.perf_counter() - began)

    return _timed(answers, [work] * n_clients)


def _count(answers: Answers, lock: threading.Lock, status: int, seconds: float) -> None:
    with lock:
        answers.statuses[status] += 1
        if status == 200:
            answers.seconds.append(seconds)


def _timed(answers: Answers, work: Sequence[Callable[[], None]]) -> Answers:
    threads = [threading.Thread(target=one) for one in work]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.wall_s = time.perf_counter() - began
    return answers
