"""Measures a burst of clips: `python -m tests.benchmarks.burst [NUMBER ...]`; 200 and 5,000 clips by default.

The clips of 10 s are posted at the same moment, by a process of its own. Refused clients return when `Retry-After` says.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from tests.benchmarks.burst_client import Burst
from tests.benchmarks.load import ROOT, Service, serving
from tests.benchmarks.tables import row, table

CLIP_S = 10
MAX_RETURNS = 5
_SAMPLE_EVERY_S = 0.5
_SEED = 1


@dataclass(slots=True)
class TreeMemory:
    """Memory of a process and its children, in MB: proportional set sizes, which count shared pages once."""

    peak_mb: float = 0.0


@contextmanager
def sampled_memory(service: Service) -> Generator[TreeMemory]:
    """Samples the memory of a service and its decoders before the block and during it."""
    memory, done = TreeMemory(), threading.Event()
    process = psutil.Process(service.pid)
    memory.peak_mb = tree_memory_mb(process)

    def sample() -> None:
        while not done.wait(_SAMPLE_EVERY_S):
            memory.peak_mb = max(memory.peak_mb, tree_memory_mb(process))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield memory
    finally:
        done.set()
        sampler.join()


def tree_memory_mb(process: psutil.Process) -> float:
    """Sum of the proportional set sizes of a process and its children now, in MB."""
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            rollup = Path(f"/proc/{member.pid}/smaps_rollup").read_text()
        except OSError:  # a decoder has ended meanwhile
            continue
        total += 1024 * int(re.findall(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[0])
    return total / 1e6


def burst(service: Service, number: int, max_returns: int = MAX_RETURNS, seconds: int = CLIP_S) -> tuple[Burst, float]:
    """Posts clips at once; returns what the clients saw, and the peak memory of the service in MB."""
    arguments = [str(argument) for argument in (number, seconds, _SEED, max_returns)]
    command = [sys.executable, "-m", "tests.benchmarks.burst_client", service.url, *arguments]
    with sampled_memory(service) as memory:
        output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Burst(**json.loads(output)), memory.peak_mb


def report(number: int, seen: Burst, peak_mb: float) -> None:
    """Prints one row of the table."""
    n_other = sum(count for status, count in seen.answers.items() if status not in ("200", "429"))
    n_returned = sum(seen.returns.values())
    row(
        f"{number:,}",
        seen.answers.get("200", 0),
        seen.answers.get("429", 0),
        n_other,
        " / ".join(f"{np.quantile(seen.seconds, level):.1f}" for level in (0.5, 0.95)) if seen.seconds else "",
        f"{seen.first_s:.1f}",
        f"{min(seen.retry_after_s)} to {max(seen.retry_after_s)}" if seen.retry_after_s else "",
        f"{100 * seen.returns.get('200', 0) / n_returned:.1f} %" if n_returned else "",
        f"{seen.wall_s:.1f}",
        f"{peak_mb:.0f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.burst", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, default=[200, 5000], help="clips at once")
    parser.add_argument("--repeats", type=int, default=1, help="bursts of each size, each on a new service")
    parser.add_argument("--returns", type=int, default=MAX_RETURNS, help="times that a refused client returns")
    arguments = parser.parse_args()
    table(
        "clips at once",
        "200",
        "429",
        "other",
        "200: p50 / p95, s",
        "all answered after, s",
        "Retry-After, s",
        "200 at the first return",
        "all done after, s",
        "memory of all processes, MB",
    )
    for number in arguments.numbers:
        for _ in range(arguments.repeats):
            with serving() as service:
                seen, peak_mb = burst(service, number, arguments.returns)
            report(number, seen, peak_mb)
            if (
                set(seen.answers) - {"200", "429"}
                or set(seen.later) - {"200", "429"}
                or set(seen.returns) - {"200", "429"}
            ):
                print("\nother answers:", seen.answers, seen.returns, seen.later)


if __name__ == "__main__":
    main()
