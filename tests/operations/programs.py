"""Real programs of an operator, started as processes: Prometheus, Redis, a proxy."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests import patient_http
from tests.free_ports import free_port
from tests.waiting import PATIENCE_S, wait_until

DEBIAN_PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "redis-server": "redis-server",
    "redis-cli": "redis-tools",
    "caddy": "caddy",
}
"""The Debian package of each program that the tests of this folder run."""


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
                process.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(ready: Callable[[], bool], program: Program) -> None:
    """Waits until a condition holds; fails with the output of the program if the program ends."""

    def is_ready() -> bool:
        assert program.process.poll() is None, program.log
        return is_true(ready)

    wait_until(is_ready)


def is_true(condition: Callable[[], bool]) -> bool:
    """Whether a condition holds; it does not while the network refuses."""
    try:
        return condition()
    except (OSError, httpx.TransportError):
        return False


def answers(url: str) -> Callable[[], bool]:
    """A condition for `running`: GET of a URL answers 200."""
    return lambda: patient_http.get(url).status_code == httpx.codes.OK


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
    answer = patient_http.get(f"{url}/api/v1/query", params={"query": expression}).json()
    assert answer["status"] == "success", (expression, answer)
    result = answer["data"]["result"]
    return result if answer["data"]["resultType"] in ("vector", "matrix") else [{"metric": {}, "value": result}]
