"""Starts Earmark or a peer as a process, waits until it answers, and ends all of its processes."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psutil

from tests.benchmarks.burst import tree_memory_mb
from tests.benchmarks.cpu_time import CpuTimes
from tests.benchmarks.load import ROOT, Client, clips, form
from tests.benchmarks.peers.model import BUNDLE_VARIABLE, bundle_dir

QUERIES = ["a dog barks", "a siren"]
_START_S = 120.0
_ATTEMPT_S = 5.0
"""A server that is starting may accept a request and never answer it."""
_PACKAGE = "tests.benchmarks.peers"

SERVERS: dict[str, Callable[[int], list[str]]] = {
    "Earmark": lambda _: ["service", "serve"],
    "FastAPI, 1 worker": lambda port: [f"{_PACKAGE}.fastapi_app", str(port), "1"],
    "FastAPI, 2 workers": lambda port: [f"{_PACKAGE}.fastapi_app", str(port), "2"],
    "LitServe": lambda port: [f"{_PACKAGE}.litserve_app", str(port)],
    "Ray Serve": lambda port: [f"{_PACKAGE}.ray_app", str(port)],
}
"""Arguments of `python -m` by the name of the server; a function of the port."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        url: Its address.
        process: Its first process.
        start_s: Time until its first answer to a clip, in seconds.
    """

    url: str
    process: psutil.Process
    start_s: float

    def cpu_s(self) -> float:
        """CPU time of all processes so far, in seconds."""
        times = CpuTimes.read(self.process.pid)
        return times.service_s + times.decoders_s

    def memory_mb(self) -> float:
        """Memory of all processes now, in MB; shared pages count once."""
        return tree_memory_mb(self.process)


@contextmanager
def running(name: str) -> Generator[Server]:
    """Runs a server of `SERVERS` on a free port during the block.

    Raises:
        RuntimeError: If the server does not answer a clip within two minutes.
    """
    port, environment = _free_port(), {key: value for key, value in os.environ.items() if key[:8] != "EARMARK_"}
    environment |= {BUNDLE_VARIABLE: str(bundle_dir()), "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"EARMARK_BUNDLE": str(bundle_dir()), "EARMARK_PORT": str(port), "EARMARK_LOG_LEVEL": "error"}
    began_s, command = time.perf_counter(), [sys.executable, "-m", *SERVERS[name](port)]
    started = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process = psutil.Process(started.pid)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, started)
        yield Server(url, process, time.perf_counter() - began_s)
    finally:
        members = [process, *process.children(recursive=True)] if started.poll() is None else []
        for member in members:  # the servers leave processes behind if only the first one ends
            if member.is_running():
                member.kill()
        started.wait()


def _wait_until_ready(url: str, started: "subprocess.Popen[bytes]") -> None:
    body, deadline_s = form(next(clips(1, seed=10**6)), QUERIES), time.perf_counter() + _START_S
    while started.poll() is None and time.perf_counter() < deadline_s:
        try:
            with closing(Client(url, _ATTEMPT_S)) as client:
                if client.post(body)[0] == 200:
                    return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{started.args} does not answer")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
