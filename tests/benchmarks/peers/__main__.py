"""Measures Earmark beside other ways to serve the same model: `python -m tests.benchmarks.peers`.

Needs the packages of the extra `peers`: `.venv-dev/bin/python -m pip install -e ".[peers]"`. Every round starts each server
anew, in an order that changes from round to round, and sends the same requests to all of them, from this machine. A cell
has the median of all rounds, with the smallest and the largest value in parentheses. All servers share the machine with the
clients.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.load import ROOT
from tests.benchmarks.peers.model import BUNDLE_VARIABLE, GRAPH_VARIABLE
from tests.benchmarks.peers.scenarios import Figures, Requests, measure
from tests.benchmarks.peers.servers import SERVERS, running
from tests.benchmarks.tables import row, spread, table

BARE = "no server"
_DIGITS = {"start, s": 2, "burst, s": 2}
_AIMS = {
    "idle, p50 ms": "at most 1.00, 1.15",
    "WAV, 8 clients": "at least 1.00, 0.92",
    "WAV, 32 clients": "at least 1.00",
    "FLAC, 8 clients": "at least 1.30",
    "MP3, 8 clients": "at least 1.30",
    "WAV, a third repeats": "at least 5.00",
    "burst, s": "at most 1.00",
    "burst, peak MB": "at most 1.00",
}
"""The aims, as ratios to the best peer and to no server."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="times that every server is measured")
    parser.add_argument("--clips", type=int, default=120, help="clips of one measurement")
    parser.add_argument("--burst", type=int, default=200, help="clips that are posted at once")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), help="servers to measure")
    parser.add_argument("--bundle", type=Path, help="bundle that all servers serve; by default the packaged bundle")
    parser.add_argument(
        "--graph",
        choices=("audio.onnx", "audio_cpu.onnx"),
        help="audio graph of the peers and of the bare loop, not of Earmark; by default the one that Earmark runs",
    )
    arguments = parser.parse_args()
    if arguments.graph:
        os.environ[GRAPH_VARIABLE] = arguments.graph
    if arguments.bundle:
        os.environ[BUNDLE_VARIABLE] = str(arguments.bundle.resolve())
    requests, names = Requests(arguments.clips, arguments.burst), list(arguments.servers)
    rounds: dict[str, list[Figures]] = {name: [] for name in (BARE, *names)}
    for number in range(arguments.rounds):
        rounds[BARE].append(bare(arguments.clips))
        for index in range(len(names)):
            name = names[(index + number) % len(names)]
            with running(name) as server:
                rounds[name].append(measure(server, requests))
            print(f"round {number + 1}, {name}: {_brief(rounds[name][-1])}", file=sys.stderr, flush=True)
    report(rounds)


def bare(number: int) -> Figures:
    """Runs `tests.benchmarks.peers.bare`, and returns its figures under the names of the columns."""
    command = [sys.executable, "-m", "tests.benchmarks.peers.bare", str(number)]
    figures = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {"idle, p50 ms": figures["latency_ms"], "WAV, 8 clients": figures["per_second"]}


def report(rounds: dict[str, list[Figures]]) -> None:
    """Prints a row for each figure and a column for each server; then the ratio of Earmark to the best peer."""
    figures = list(dict.fromkeys(name for measured in rounds.values() for name in measured[0]))
    table("10 s clips; WAV, FLAC, MP3: clips/s", *rounds)
    for figure in figures:
        row(figure, *(_cell(figure, measured) for measured in rounds.values()))
    if "Earmark" in rounds:
        _report_ratios(rounds, figures)


def _report_ratios(rounds: dict[str, list[Figures]], figures: list[str]) -> None:
    """Prints the ratio of Earmark to the best peer and to no server, round by round."""
    peers = [name for name in rounds if name not in (BARE, "Earmark")]
    table("Earmark, ratio by round", "to the best peer", "to no server", "aim")
    for figure in figures:
        best_of = max if _is_rate(figure) else min
        to_best, to_bare = list[float](), list[float]()
        for index, ours in enumerate(rounds["Earmark"]):
            if peers:
                to_best.append(ours[figure] / best_of(rounds[name][index][figure] for name in peers))
            if figure in rounds[BARE][index]:
                to_bare.append(ours[figure] / rounds[BARE][index][figure])
        row(figure, *(spread(ratios, 2) if ratios else "" for ratios in (to_best, to_bare)), _AIMS.get(figure, ""))


def _is_rate(figure: str) -> bool:
    return figure.startswith(("WAV", "FLAC", "MP3")) or figure == "burst, answered"


def _cell(figure: str, measured: list[Figures]) -> str:
    values = [figures[figure] for figures in measured if figure in figures]
    return spread(values, _DIGITS.get(figure, 0 if "MB" in figure else 1)) if values else ""


def _brief(figures: Figures) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in figures.items())


if __name__ == "__main__":
    main()
