"""The audio graph without any server: what a service could reach at best; run in a process of its own, prints JSON.

`python -m tests.benchmarks.peers.bare NUMBER`: windows a second with one single-threaded caller per core, and the median
time of one clip with all threads, decoding included, in milliseconds.
"""

import json
import os
import sys
import threading
import time

import numpy as np

from tests.benchmarks.load import clips
from tests.benchmarks.peers.model import Model
from tests.benchmarks.peers.servers import QUERIES

_LATENCIES = 20


def per_second(number: int) -> float:
    """Windows a second, with a session and a thread per core."""
    models = [Model(threads=1) for _ in range(os.cpu_count() or 1)]
    samples = models[0].decode(next(clips(1)))
    (window,) = models[0]._windows(samples)

    def work(model: Model) -> None:
        for _ in range(number // len(models)):
            model._embed(window)

    threads = [threading.Thread(target=work, args=(model,)) for model in models]
    began_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return number // len(models) * len(models) / (time.perf_counter() - began_s)


def latency_ms() -> float:
    """Median time of a clip, from its bytes to its scores."""
    model, times_s = Model(threads=0), list[float]()
    for wav in clips(_LATENCIES):
        began_s = time.perf_counter()
        model.localize(wav, QUERIES)
        times_s.append(time.perf_counter() - began_s)
    return 1000 * float(np.median(times_s))


if __name__ == "__main__":
    print(json.dumps({"per_second": per_second(int(sys.argv[1])), "latency_ms": latency_ms()}))
