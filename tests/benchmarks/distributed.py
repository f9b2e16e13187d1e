"""Measures one process beside a Ray cluster: `python -m tests.benchmarks.distributed [OUT.md]`. Needs the extra `ray`.

Indexing compares `earmark index` with `earmark index --ray`, and serving compares `earmark serve` with Ray Serve, with a replica
on each node. A node has one core, and all nodes share this machine with the clients; the single process uses all cores. Every
round measures each side, in an order that changes from round to round, and nothing of the other sides runs meanwhile. A cell has
the median of all rounds, with the smallest and the largest value in parentheses. CPU time depends less on other programs than
time. `--tiny` tries every part; its figures mean nothing.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing, nullcontext, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.benchmarks.cpu_time import used_s
from tests.benchmarks.everything import describe_machine
from tests.benchmarks.folder import write_files
from tests.benchmarks.load import ROOT, Client, Responses, clips, closed_loop, form, serving
from tests.benchmarks.serving import QUERIES
from tests.benchmarks.tables import row, spread, table
from tests.ray_cluster import deploy, ray_serve, running

CLIENTS = 8
OBJECT_STORE_BYTES = 512 << 20
SIDES = {"one process": 0, "Ray, 1 node": 1, "Ray, 2 nodes": 2}
"""Number of nodes of each side."""
DEFAULT_SIDES = ["one process", "Ray, 2 nodes"]
_WARM_UP_CLIPS = 16
_SAMPLE_S = 0.3
_DIGITS = {"indexing after the start, hours/h": 0}
Figures = dict[str, float]
"""Values of one side in one round, by the name of the row."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What one round measures.

    Attributes:
        n_files: Recordings that are indexed.
        n_few: Recordings of the shorter indexing, which tells the start from the speed.
        file_s: Length of a recording, in seconds.
        n_clips: New clips that are sent to the service.
        n_known: Requests about known clips.
    """

    n_files: int = 72
    n_few: int = 8
    file_s: float = 60.0
    n_clips: int = 96
    n_known: int = 600


TINY = Workload(n_files=4, n_few=2, file_s=2.0, n_clips=4, n_known=8)


@dataclass(frozen=True, slots=True)
class Cost:
    """Time of a command and CPU time of all processes that worked for it, in seconds."""

    wall_s: float
    cpu_s: float


class ChildrenCpu:
    """CPU time of all processes that this process has started, from now on; a process counts up to the last sample in it."""

    def __init__(self) -> None:
        self._used_s = _used_by_children()
        self._before_s = sum(self._used_s.values())

    def sample(self) -> None:
        self._used_s |= _used_by_children()

    def seconds(self) -> float:
        self.sample()
        return sum(self._used_s.values()) - self._before_s


def _used_by_children() -> dict[int, float]:
    used: dict[int, float] = {}
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            used[child.pid] = used_s(child)
    return used


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.distributed", description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", help="file of the results; by default they are printed")
    parser.add_argument("--rounds", type=int, default=3, help="times that every side is measured")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=DEFAULT_SIDES, help="sides to measure")
    parser.add_argument("--tiny", action="store_true", help="run every part once, with a few recordings and clips")
    arguments = parser.parse_args()
    workload = TINY if arguments.tiny else Workload()
    names: list[str] = arguments.sides
    rounds: dict[str, list[Figures]] = {name: [] for name in names}
    with TemporaryDirectory() as folder:
        files = write_files(
            Path(folder),
            Namespace(files=workload.n_files, seconds=workload.file_s, rate_hz=16_000, container="FLAC"),
        )
        for number in range(1 if arguments.tiny else arguments.rounds):
            for index in range(len(names)):
                name = names[(index + number) % len(names)]
                rounds[name].append(measure(SIDES[name], files, workload, seed=number))
                brief = ", ".join(f"{figure} {value:.1f}" for figure, value in rounds[name][-1].items())
                print(f"round {number + 1}, {name}: {brief}", file=sys.stderr, flush=True)
    with arguments.output.open("w") if arguments.output else nullcontext(sys.stdout) as output, redirect_stdout(output):
        print(f"Measured with {describe_machine()}.")
        report(rounds)


def measure(n_nodes: int, files: Sequence[Path], workload: Workload, seed: int) -> Figures:
    """Measures everything once, on a new cluster; 0 nodes are one process without a cluster."""
    if n_nodes == 0:
        indexed = index_figures(files, workload)
        with serving() as service:
            return indexed | serve_figures(service.url, workload, seed)
    with running(*[1] * n_nodes, object_store_bytes=OBJECT_STORE_BYTES) as cluster:
        indexed = index_figures(files, workload, "--ray", cluster.address)
        with ray_serve(cluster) as url:
            deploy(min_replicas=n_nodes, max_replicas=n_nodes, num_cpus=1, log_level="error")
            return indexed | serve_figures(url, workload, seed)


def index_figures(files: Sequence[Path], workload: Workload, *options: str) -> Figures:
    """Indexes some and all recordings into new libraries."""
    return start_and_speed(workload, cost_of_index(files[: workload.n_few], *options), cost_of_index(files, *options))


def start_and_speed(workload: Workload, few: Cost, whole: Cost) -> Figures:
    """Tells the start of an indexing from its speed: the difference of both indexings has no start."""
    hours = (workload.n_files - workload.n_few) * workload.file_s / 3600
    hour_s = (whole.wall_s - few.wall_s) / hours
    return {
        "indexing, whole command, s": whole.wall_s,
        "indexing, start and end, s": whole.wall_s - hour_s * workload.n_files * workload.file_s / 3600,
        "indexing after the start, hours/h": 3600 / hour_s if hour_s > 0 else math.nan,
        "indexing after the start, CPU s/h": (whole.cpu_s - few.cpu_s) / hours,
    }


def cost_of_index(files: Sequence[Path], *options: str) -> Cost:
    """The time of `earmark index` with a new library; CPU time includes that of the cluster."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "service", "index", f"{folder}/library", *map(str, files), *options]
        cpu, began_s = ChildrenCpu(), time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                cpu.sample()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_SAMPLE_S)
        wall_s = time.perf_counter() - began_s
    if process.returncode != 0:
        raise RuntimeError(f"earmark index ended with status {process.returncode}")
    return Cost(wall_s, cpu.seconds())


def serve_figures(url: str, workload: Workload, seed: int) -> Figures:
    """Sends new clips, and then requests about known clips by their ids."""
    with closing(Client(url)) as client:
        answers = [client.post(form(wav, QUERIES)) for wav in clips(_WARM_UP_CLIPS, seed=2 * seed)]
    known = [json.loads(content)["clip"]["id"] for _, content in answers]
    clip_ids = [known[number % len(known)] for number in range(workload.n_known)]
    bodies = [form(wav, QUERIES) for wav in clips(workload.n_clips, seed=2 * seed + 1)]
    cpu = ChildrenCpu()
    new = closed_loop(url, bodies, CLIENTS)
    cpu_ms = 1000 * cpu.seconds() / workload.n_clips
    again = closed_loop(url, [form(clip_id, QUERIES) for clip_id in clip_ids], CLIENTS, clip_ids)
    return _answered("new clips", new) | {"new clips, CPU of a clip, ms": cpu_ms} | _answered("known clips", again)


def _answered(name: str, responses: Responses) -> Figures:
    if set(responses.statuses) != {200}:
        raise RuntimeError(f"{name}: not all requests were answered: {dict(responses.statuses)}")
    return {
        f"{name}, requests/s": responses.per_second,
        f"{name}, p50, ms": responses.quantile_ms(0.5),
        f"{name}, p95, ms": responses.quantile_ms(0.95),
    }


def report(rounds: dict[str, list[Figures]]) -> None:
    """Prints a row for each figure and a column for each side; then the ratios of the last side to the others by round."""
    *others, last = rounds
    table("2 cores of one machine", *rounds, *(f"{last} to {name}" for name in others))
    for figure in rounds[last][0]:
        values = {name: [figures[figure] for figures in measured] for name, measured in rounds.items()}
        ratios = [
            [a / b if b else math.nan for a, b in zip(values[last], values[name], strict=True)] for name in others
        ]
        digits = _DIGITS.get(figure, 1)
        row(figure, *(spread(each, digits) for each in values.values()), *(spread(each, 2) for each in ratios))


if __name__ == "__main__":
    main()
