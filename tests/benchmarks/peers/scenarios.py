"""What is measured of one server in one round of the comparison; see `tests.benchmarks.peers`."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing

import numpy as np

from tests.benchmarks.burst import sampled_memory
from tests.benchmarks.load import ROOT, Client, Service, clips, closed_loop, encoded, form
from tests.benchmarks.peers.servers import QUERIES, Server

_IDLE_CLIPS = 20
_WARM_UP_CLIPS = 24
Figures = dict[str, float]
"""Values of one server in one round, by the name of the column."""


class Requests:
    """Bodies of requests, which every server gets in each round; no clip occurs twice unless a name says so.

    Args:
        number: Number of clips of one measurement.
        burst: Number of clips that are posted at once.
    """

    def __init__(self, number: int, burst: int = 200) -> None:
        self.burst = burst
        wavs = iter([form(wav, QUERIES) for wav in clips(_IDLE_CLIPS + _WARM_UP_CLIPS + 3 * number)])
        self.idle = [next(wavs) for _ in range(_IDLE_CLIPS)]
        self.warm_up = [next(wavs) for _ in range(_WARM_UP_CLIPS)]
        self.sets = {
            "WAV, 8 clients": [next(wavs) for _ in range(number)],
            "WAV, 32 clients": [next(wavs) for _ in range(number)],
            "FLAC, 8 clients": [form(content, QUERIES) for content in encoded(number, "FLAC")],
            "MP3, 8 clients": [form(content, QUERIES) for content in encoded(number, "MP3")],
            "WAV, a third repeats": _repeating([next(wavs) for _ in range(number // 2)]),
        }


def _repeating(bodies: Sequence[bytes]) -> list[bytes]:
    """The bodies, with one that was sent before after every two."""
    order: list[bytes] = []
    for index, body in enumerate(bodies):
        order.append(body)
        if index % 2:
            order.append(bodies[index // 2])
    return order


def measure(server: Server, requests: Requests) -> Figures:
    """Measures everything once."""
    figures: Figures = {"start, s": server.start_s, "idle memory, MB": server.memory_mb()}
    closed_loop(server.url, requests.warm_up, 8)
    figures["idle, p50 ms"] = 1000 * float(np.median(_idle_s(server, requests.idle)))
    for name, bodies in requests.sets.items():
        cpu_s, responses = server.cpu_s(), closed_loop(server.url, bodies, 32 if "32" in name else 8)
        if name == "WAV, 8 clients":
            figures["CPU a clip, ms"] = 1000 * (server.cpu_s() - cpu_s) / len(bodies)
        if responses.statuses[200] != len(bodies):
            print(f"{name}: not all clips were answered: {dict(responses.statuses)}", file=sys.stderr)
        figures[name] = responses.per_second
    return figures | _burst(server, requests.burst)


def _idle_s(server: Server, bodies: Sequence[bytes]) -> list[float]:
    times_s: list[float] = []
    with closing(Client(server.url)) as client:
        for body in bodies:
            began_s = time.perf_counter()
            client.post(body)
            times_s.append(time.perf_counter() - began_s)
    return times_s


def _burst(server: Server, number: int) -> Figures:
    """Posts clips at once, each on a connection of its own; `burst, answered` is the number of those with status 200."""
    arguments = [server.url, str(number), "10", "3", "0"]
    command = [sys.executable, "-m", "tests.benchmarks.burst_client", *arguments]
    with sampled_memory(Service(server.url, server.process.pid)) as memory:
        seen = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {
        "burst, answered": seen["answers"].get("200", 0),
        "burst, s": seen["wall_s"],
        "burst, peak MB": memory.peak_mb,
    }
