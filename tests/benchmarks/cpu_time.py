"""CPU time of a clip by part: `python -m tests.benchmarks.cpu_time`.

CPU time changes less than wall time when other processes use the machine. The audio encoder alone runs single windows on one
thread; the rest of the CPU time of the service is its cost beside the model. Plain WAV clips are decoded in the service's main
process, all others in child processes.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import psutil

from service.core.manifest import verify_bundle
from service.engine.options import EngineOptions
from tests.benchmarks.graphs import audio_graph_of_cpus, open_audio_graph
from tests.benchmarks.load import closed_loop, encoded, form, serving
from tests.benchmarks.peers.model import bundle_dir
from tests.benchmarks.serving import QUERIES, REPEATS
from tests.benchmarks.tables import row, spread, table

CLIPS = 100
CLIENTS = 8


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """CPU seconds of the service's main process, of its event loop, and of its child processes, since they started."""

    service_s: float
    loop_s: float
    decoders_s: float

    @classmethod
    def read(cls, pid: int) -> "CpuTimes":
        process = psutil.Process(pid)
        loop_s = next(thread.user_time + thread.system_time for thread in process.threads() if thread.id == pid)
        return cls(used_s(process), loop_s, sum(used_s(child) for child in process.children(recursive=True)))


def used_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def encoder_ms(n_windows: int) -> float:
    """CPU time of one window in the audio encoder alone, on one thread, in milliseconds."""
    bundle = bundle_dir()
    graph = open_audio_graph(EngineOptions(device="cpu", intra_op_threads=1), audio_graph_of_cpus(bundle))
    window = np.random.default_rng(0).normal(0, 0.1, (1, verify_bundle(bundle).window_samples)).astype(np.float32)
    graph.run({"waveform": window})
    began_s = time.process_time()
    for _ in range(n_windows):
        graph.run({"waveform": window})
    return 1000 * (time.process_time() - began_s) / n_windows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cpu_time", description=__doc__)
    parser.add_argument("--clips", type=int, default=CLIPS, help="clips of one measurement")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="measurements of each container")
    arguments = parser.parse_args()
    n_clips: int = arguments.clips
    table("10 s clip, 8 clients: CPU time, ms", "WAV", "FLAC", "MP3")
    ms: dict[str, dict[str, list[float]]] = {
        part: {container: [] for container in ("WAV", "FLAC", "MP3")}
        for part in (
            "audio encoder alone",
            "event loop",
            "other threads",
            "decoders",
            "beside the audio encoder",
            "clients",
        )
    }
    with serving(EARMARK_BUNDLE=str(bundle_dir())) as service:
        for repeat in range(arguments.repeats):
            for container in ("WAV", "FLAC", "MP3"):
                alone_ms = encoder_ms(max(1, n_clips // 4))
                bodies = [form(clip, QUERIES) for clip in encoded(n_clips, container, seed=repeat)]
                before, began_s = CpuTimes.read(service.pid), time.process_time()
                answers = closed_loop(service.url, bodies, CLIENTS)
                clients_s, after = time.process_time() - began_s, CpuTimes.read(service.pid)
                assert answers.statuses[200] == n_clips
                loop_s, decoders_s = after.loop_s - before.loop_s, after.decoders_s - before.decoders_s
                threads_s = after.service_s - before.service_s - loop_s
                beside_ms = 1000 * (loop_s + threads_s + decoders_s) / n_clips - alone_ms
                values = [1000 * seconds / n_clips for seconds in (loop_s, threads_s, decoders_s)]
                for part, value in zip(ms, [alone_ms, *values, beside_ms, 1000 * clients_s / n_clips], strict=True):
                    ms[part][container].append(value)
    for part, by_container in ms.items():
        row(part, *(spread(values) for values in by_container.values()))


if __name__ == "__main__":
    main()
