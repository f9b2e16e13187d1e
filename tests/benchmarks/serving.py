"""Measures the service against the model without the service: `python -m tests.benchmarks.serving [SCENARIO ...]`.

Most values are measured `REPEATS` times, and printed as their median with the smallest and the largest value.
"""

import argparse
import inspect
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from service.core.manifest import PACKAGED_BUNDLE, verify_bundle
from service.engine.containers import identify
from service.engine.decoding import decode
from service.engine.options import EngineOptions
from tests.benchmarks.graphs import open_audio_graph
from tests.benchmarks.load import Client, clips, closed_loop, form, open_loop, serving
from tests.benchmarks.tables import row, spread, table
from tests.redis_server import RedisServer

REPEATS = 5
CLIPS = 60
QUERIES = ["a dog barks", "a siren"]


class BareLoop:
    """The audio graph without the service: a loop that decodes, pads and runs."""

    def __init__(self, batch_windows: int) -> None:
        self._manifest = verify_bundle(PACKAGED_BUNDLE)
        self._batch = batch_windows
        self._session = open_audio_graph(EngineOptions(device="cpu"))

    def run(self, wavs: Sequence[bytes]) -> float:
        """Processes all clips, and returns the time in seconds."""
        began = time.perf_counter()
        for start in range(0, len(wavs), self._batch):
            batch = [self._window(wav) for wav in wavs[start : start + self._batch]]
            self._session.run({"waveform": np.stack(batch)})
        return time.perf_counter() - began

    def _window(self, wav: bytes) -> np.ndarray:
        clip = BytesIO(wav)
        samples = np.concatenate(list(decode(clip, identify(clip), self._manifest.sample_rate_hz, 60)))
        return np.pad(samples, (0, self._manifest.window_samples - len(samples)))


def throughput() -> None:
    """Distinct 10 s clips a second: in the bare loop with batches of 1 to 8, and over HTTP with 1 to 16 clients."""
    bare: dict[int, list[float]] = {size: [] for size in (1, 2, 4, 8)}
    served: dict[int, list[float]] = {n: [] for n in (1, 2, 4, 8, 16)}
    loops = {size: BareLoop(size) for size in bare}
    with serving() as service:
        for repeat in range(REPEATS):
            wavs = list(clips(CLIPS, seed=repeat))
            for size, rates in bare.items():
                rates.append(CLIPS / loops[size].run(wavs))
            for n_clients, rates in served.items():
                fresh = clips(CLIPS, seed=1000 * n_clients + repeat)
                rates.append(closed_loop(service.url, [form(wav, QUERIES) for wav in fresh], n_clients).per_second)
    best = max(bare.values(), key=np.median)
    table("distinct 10 s WAV clips", "clips/s", "share of the best bare loop")
    for size, rates in bare.items():
        row(f"bare loop, batches of {size}", spread(rates), spread(np.divide(rates, best).tolist(), 2))
    for n_clients, rates in served.items():
        row(f"HTTP, {n_clients} clients", spread(rates), spread(np.divide(rates, best).tolist(), 2))


def latency() -> None:
    """One 10 s clip at a time: through the otherwise idle service, and in the bare loop."""
    bare, ratios = BareLoop(1), list[float]()
    table("one 10 s clip, idle", "bare, ms", "HTTP, ms", "ratio")
    with serving() as service:
        client = Client(service.url)
        for repeat in range(REPEATS):
            wavs = list(clips(CLIPS // 4, seed=repeat))
            bare_ms = [1000 * bare.run([wav]) for wav in wavs]
            http_ms = [_posted_ms(client, form(wav, QUERIES[:1])) for wav in wavs]
            ratios.append(float(np.median(http_ms) / np.median(bare_ms)))
            row(
                f"run {repeat + 1}, p50 of {CLIPS // 4}",
                f"{np.median(bare_ms):.1f}",
                f"{np.median(http_ms):.1f}",
                f"{ratios[-1]:.2f}",
            )
    row("all", "", "", spread(ratios, 2))


def known() -> None:
    """A cached clip, sent by its id: 1 or 100 queries in a request, which are new or were embedded before."""
    table("known 10 s clip", "p50, ms", "p99, ms")
    with serving(EARMARK_MAX_QUERIES="100") as service:
        client = Client(service.url)
        clip_id = json.loads(client.post(form(next(clips(1)), QUERIES))[1])["clip"]["id"]
        numbers = iter(range(10**6))
        one_query_ms = hundred_queries_ms = 0.0
        for n_queries, is_new, times in ((1, True, 500), (100, True, 30), (1, False, 500), (100, False, 30)):
            query_sets = [
                [f"{'sound' if is_new else 'known'} number {next(numbers) if is_new else i}" for i in range(n_queries)]
                for _ in range(times)
            ]
            if not is_new:
                client.post(form(clip_id, query_sets[0]))
            ms = [_posted_ms(client, form(clip_id, queries)) for queries in query_sets]
            row(
                f"{n_queries} {'new' if is_new else 'known'} queries",
                f"{np.quantile(ms, 0.5):.1f}",
                f"{np.quantile(ms, 0.99):.1f}",
            )
            if n_queries == 1:
                one_query_ms = float(np.median(ms))
            else:
                hundred_queries_ms = float(np.median(ms))
                row(f"100 to 1, {'new' if is_new else 'known'}", f"{hundred_queries_ms / one_query_ms:.1f} times", "")


def cached(repeats: int = REPEATS) -> None:
    """The same clips and queries: not cached, from the memory of the process, and from Redis in a new process."""
    seconds = (2, 10, 60, 600)
    bodies = {s: form(next(clips(1, seconds=s)), QUERIES, curves="none") for s in seconds}
    ms: dict[str, dict[int, list[float]]] = {how: {s: [] for s in seconds} for how in ("cold", "memory", "Redis")}
    for _ in range(repeats):
        with TemporaryDirectory() as folder:
            redis = RedisServer(Path(folder))
            for first in (True, False):
                with serving(EARMARK_REDIS_URL=redis.url) as service:
                    client = Client(service.url)
                    for s, body in bodies.items():
                        ms["cold" if first else "Redis"][s].append(_posted_ms(client, body))
                        ms["memory"][s].append(_posted_ms(client, body))
                    time.sleep(1)  # Redis is written in the background, after the response
            redis.stop()
    table("ms", *(f"{s} s clip" for s in seconds))
    for how, by_length in ms.items():
        row(how, *(spread(values) for values in by_length.values()))


def overload() -> None:
    """64 clients send requests at 110 % of the knee, the highest rate that the service can answer, for two minutes.

    The cache is full within the first minute.
    """
    with serving(EARMARK_CACHE_BYTES=str(64 * 2**20)) as service:
        wavs = [form(wav, QUERIES) for wav in clips(40, seed=5)]
        knee = closed_loop(service.url, wavs, 4).per_second
        base = next(clips(1, seed=9))
        table("64 clients, 110 % of the knee", "200", "429", "other", "p50, ms", "p99, ms", "memory, MiB")
        for minute in (1, 2):
            responses = open_loop(
                service.url, lambda i, m=minute: form(_varied(base, i, m), QUERIES), 64, 1.1 * knee, seconds=60
            )
            other = sum(count for status, count in responses.statuses.items() if status not in (200, 429))
            row(
                f"minute {minute}, {1.1 * knee:.0f} requests/s",
                responses.statuses[200],
                responses.statuses[429],
                other,
                f"{responses.quantile_ms(0.5):.0f}",
                f"{responses.quantile_ms(0.99):.0f}",
                f"{service.memory_mib():.0f}",
            )


def long(hours_of_clips: Sequence[float] = (1, 3)) -> None:
    """A clip of one hour and a clip of three hours: the latency of /livez meanwhile, and the peak memory.

    /livez is requested every 50 ms. The peak memory is counted above the memory of the idle service.
    """
    table(
        "long clip, 16 kHz FLAC", "s", "/livez, requests", "p50, ms", "p99, ms", "largest, ms", "memory above idle, MiB"
    )
    for hours in hours_of_clips:
        with serving(EARMARK_MAX_CLIP_S="10800") as service:
            Client(service.url).post(form(next(clips(1)), QUERIES))
            idle_mib = service.memory_mib()
            service.reset_peak()
            body = form(long_flac(round(hours * 3600)), QUERIES, curves="none")
            began = time.perf_counter()
            with ThreadPoolExecutor(1) as pool:
                long_request = pool.submit(_posted_ms, Client(service.url), body)
                ms, client = list[float](), Client(service.url)
                while not long_request.done():
                    sent_s = time.perf_counter()
                    assert client.get("/livez")[0] == 200
                    ms.append(1000 * (time.perf_counter() - sent_s))
                    time.sleep(0.05)
            row(
                f"{hours:g} h",
                f"{time.perf_counter() - began:.1f}",
                len(ms),
                f"{np.quantile(ms, 0.5):.1f}",
                f"{np.quantile(ms, 0.99):.1f}",
                f"{max(ms):.1f}",
                f"{service.peak_memory_mib() - idle_mib:.0f}",
            )


def long_flac(seconds: int, seed: int = 0) -> bytes:
    """Makes a clip that repeats one minute of quiet noise."""
    minute = (np.random.default_rng(seed).standard_normal(60 * 16_000) * 30).astype(np.int16)
    buffer = BytesIO()
    with soundfile.SoundFile(buffer, "w", 16_000, 1, format="FLAC") as file:
        for _ in range(seconds // 60):
            file.write(minute)
    return buffer.getvalue()


def _varied(wav: bytes, number: int, minute: int) -> bytes:
    """Changes the first samples of a clip, so that the clip is not in the cache."""
    return wav[:44] + (minute * 10**6 + number).to_bytes(8, "little") + wav[52:]


def _posted_ms(client: Client, body: bytes) -> float:
    began = time.perf_counter()
    status, content = client.post(body)
    assert status == 200, content
    return 1000 * (time.perf_counter() - began)


SCENARIOS: dict[str, Callable[..., None]] = {
    scenario.__name__: scenario for scenario in (throughput, latency, known, cached, overload, long)
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.serving", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], help="scenarios to run; all by default")
    parser.add_argument(
        "--hours", type=float, nargs="+", default=[1, 3], help="lengths of the clips of `long`, in hours"
    )
    parser.add_argument("--repeats", type=int, default=REPEATS, help="repeats of `cached`")
    arguments = parser.parse_args()
    options = {"long": [arguments.hours], "cached": [arguments.repeats]}
    for name in arguments.scenarios or SCENARIOS:
        print(f"\n### {name}\n\n{inspect.getdoc(SCENARIOS[name])}")
        SCENARIOS[name](*options.get(name, []))


if __name__ == "__main__":
    main()
