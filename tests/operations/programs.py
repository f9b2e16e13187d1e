"""Real programs of an operator, started as processes: Prometheus, Redis, a proxy."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

DEBIAN_PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "redis-server": "redis-server",
    "redis-cli": "redis-tools",
    "caddy": "caddy",
}
"""The Debian package of each program that the tests of this folder run."""
START_S = 30.0
"""Time that a program has to become ready, in seconds."""


@dataclass(frozen=True)
class Program:
    """A running program.

    Attributes:
        process: The process.
        log_file: File with its output.
    """

    process: "subprocess.Popen[bytes]"
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


def missing_packages() -> list[str]:
    """The Debian packages of the programs that this machine lacks."""
    return sorted({package for program, package in DEBIAN_PACKAGES.items() if shutil.which(program) is None})


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def running(
    command: Sequence[str],
    log_file: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """Runs a program until the end of the block, which begins when the program is ready.

    Args:
        command: The program and its arguments.
        log_file: File for its output.
        ready: Whether the program is ready; may raise OSError or httpx.TransportError while it is not.
        environment: All environment variables of the program; those of this process if None.
    """
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=log_file.parent,
        ) as process,
    ):
        program = Program(process, log_file)
        try:
            wait_for(ready, program)
            yield program
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(ready: Callable[[], bool], program: Program, limit_s: float = START_S) -> None:
    """Waits until a condition holds; fails with the output of the program if the program ends or time runs out."""
    end_s = time.monotonic() + limit_s
    while not is_true(ready):
        assert program.process.poll() is None, program.log
        assert time.monotonic() < end_s, f"not ready after {limit_s} s:\n{program.log}"
        time.sleep(0.05)


def is_true(condition: Callable[[], bool]) -> bool:
    """Whether a condition holds; it does not while the network refuses."""
    try:
        return condition()
    except (OSError, httpx.TransportError):
        return False


def answers(url: str) -> Callable[[], bool]:
    """A condition for `running`: GET of a URL answers 200."""
    return lambda: httpx.get(url, timeout=5).status_code == httpx.codes.OK


@contextmanager
def prometheus(configuration: Path, folder: Path, *options: str) -> Iterator[str]:
    """Runs a real Prometheus with a configuration file, and yields its URL.

    Args:
        configuration: The configuration; relative paths in it are relative to its folder.
        folder: An empty folder for the data and the log.
        options: Further options of the command line.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", *options]
    with running(command, folder / "prometheus.log", answers(f"{url}/-/ready")):
        yield url


def query(url: str, expression: str) -> list[dict[str, object]]:
    """The result of an instant query to a Prometheus: one entry for each series.

    Raises:
        AssertionError: If Prometheus does not accept the expression.
    """
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, timeout=30).json()
    assert answer["status"] == "success", (expression, answer)
    result = answer["data"]["result"]
    return result if answer["data"]["resultType"] in ("vector", "matrix") else [{"metric": {}, "value": result}]
