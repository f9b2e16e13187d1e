"""CPU time of a clip by process: `python -m tests.benchmarks.cpu_time`.

CPU time changes less than wall time when other processes use the machine. The bare loop decodes clips and runs the audio
encoder; the service also parses requests, scores queries and writes answers. Decoding happens in child processes.
"""

import time
from dataclasses import dataclass

import psutil

from tests.benchmarks.load import clips, closed_loop, form, serving
from tests.benchmarks.serving import QUERIES, REPEATS, BareLoop
from tests.benchmarks.tables import row, spread, table

CLIPS = 100
CLIENTS = 8


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """CPU seconds of the service's main process and of its child processes, since they started."""

    service_s: float
    decoders_s: float

    @classmethod
    def read(cls, pid: int) -> "CpuTimes":
        process = psutil.Process(pid)
        return cls(used_s(process), sum(used_s(child) for child in process.children(recursive=True)))


def used_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    ms: dict[str, list[float]] = {
        "bare loop, batches of 4": [],
        "service, main process": [],
        "service, decoding processes": [],
        "clients": [],
    }
    bare = BareLoop(4)
    with serving() as service:
        for repeat in range(REPEATS):
            wavs = list(clips(CLIPS, seed=repeat))
            bodies = [form(wav, QUERIES) for wav in wavs]
            began_s = time.process_time()
            bare.run(wavs)
            bare_s = time.process_time() - began_s
            before, began_s = CpuTimes.read(service.pid), time.process_time()
            answers = closed_loop(service.url, bodies, CLIENTS)
            clients_s, after = time.process_time() - began_s, CpuTimes.read(service.pid)
            assert answers.statuses[200] == CLIPS
            service_s, decoders_s = after.service_s - before.service_s, after.decoders_s - before.decoders_s
            for part, seconds in zip(ms, (bare_s, service_s, decoders_s, clients_s), strict=True):
                ms[part].append(1000 * seconds / CLIPS)
    table("10 s WAV clip", "CPU time, ms")
    for part, values in ms.items():
        row(part, spread(values))


if __name__ == "__main__":
    main()
