"""How near the service comes to the bare model: `python -m tests.benchmarks.serving`, or some of it by name.

Everything is measured in one run on one machine, repeated, and told as the median with the smallest and the largest.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from service.core.manifest import AUDIO_GRAPH, PACKAGED_BUNDLE, verify_bundle
from service.engine.containers import identify
from service.engine.decoding import decode
from service.engine.options import EngineOptions
from service.engine.sessions import GraphSession
from tests.benchmarks.load import Client, clips, closed_loop, form, open_loop, serving
from tests.redis_server import RedisServer

REPEATS = 5
CLIPS = 60
QUERIES = ["a dog barks", "a siren"]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median (smallest to largest)."""
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def table(*names: str) -> None:
    print()
    row(*names)
    row(*["---"] * len(names))


class Bare:
    """The audio tower alone: decode, pad, run."""

    def __init__(self, batch_windows: int) -> None:
        self._manifest = verify_bundle(PACKAGED_BUNDLE)
        self._batch = batch_windows
        self._session = GraphSession(
            PACKAGED_BUNDLE / AUDIO_GRAPH, EngineOptions(), {"waveform": "tensor(float)"}, "frames"
        )

    def run(self, wavs: Sequence[bytes]) -> float:
        """Seconds for all clips."""
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
    """Distinct 10 s clips a second: the bare loop at its best batch size, and HTTP at 1 to 16 clients."""
    bare: dict[int, list[float]] = {size: [] for size in (1, 2, 4, 8)}
    served: dict[int, list[float]] = {n: [] for n in (1, 2, 4, 8, 16)}
    loops = {size: Bare(size) for size in bare}
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
    """One 10 s clip at a time through the idle service, and the bare run of one window with decoding."""
    bare, ratios = Bare(1), list[float]()
    table("one 10 s clip, idle", "bare, ms", "HTTP, ms", "ratio")
    with serving() as service:
        client = Client(service.url)
        for repeat in range(REPEATS):
            wavs = list(clips(CLIPS // 4, seed=repeat))
            alone = [1000 * bare.run([wav]) for wav in wavs]
            whole = [_posted_ms(client, form(wav, QUERIES[:1])) for wav in wavs]
            ratios.append(float(np.median(whole) / np.median(alone)))
            row(
                f"run {repeat + 1}, p50 of {CLIPS // 4}",
                f"{np.median(alone):.1f}",
                f"{np.median(whole):.1f}",
                f"{ratios[-1]:.2f}",
            )
    row("all", "", "", spread(ratios, 2))


def known() -> None:
    """A clip that is known, by its id: a new query each time, and a hundred queries at once."""
    table("known 10 s clip", "p50, ms", "p99, ms")
    with serving(EARMARK_MAX_QUERIES="100") as service:
        client = Client(service.url)
        clip_id = json.loads(client.post(form(next(clips(1)), QUERIES))[1])["clip"]["id"]
        fresh = iter(range(10**6))
        once = many = 0.0
        for n_queries, is_new, times in ((1, True, 500), (100, True, 30), (1, False, 500), (100, False, 30)):
            asked = [
                [f"{'sound' if is_new else 'known'} number {next(fresh) if is_new else i}" for i in range(n_queries)]
                for _ in range(times)
            ]
            if not is_new:
                client.post(form(clip_id, asked[0]))
            ms = [_posted_ms(client, form(clip_id, queries)) for queries in asked]
            row(
                f"{n_queries} {'new' if is_new else 'known'} queries",
                f"{np.quantile(ms, 0.5):.1f}",
                f"{np.quantile(ms, 0.99):.1f}",
            )
            once, many = (float(np.median(ms)), many) if n_queries == 1 else (once, float(np.median(ms)))
            if n_queries == 100:
                row(f"100 to 1, {'new' if is_new else 'known'}", f"{many / once:.1f} times", "")


def cached() -> None:
    """The same clips and queries cold, from the memory of the process, and from Redis in a process that has just begun."""
    seconds = (2, 10, 60, 600)
    bodies = {s: form(next(clips(1, seconds=s)), QUERIES, curves="none") for s in seconds}
    ms: dict[str, dict[int, list[float]]] = {how: {s: [] for s in seconds} for how in ("cold", "memory", "Redis")}
    for _ in range(REPEATS):
        with TemporaryDirectory() as folder:
            redis = RedisServer(Path(folder))
            for first in (True, False):
                with serving(EARMARK_REDIS_URL=redis.url) as service:
                    client = Client(service.url)
                    for s, body in bodies.items():
                        ms["cold" if first else "Redis"][s].append(_posted_ms(client, body))
                        ms["memory"][s].append(_posted_ms(client, body))
                    time.sleep(1)  # Redis is written behind the answer
            redis.stop()
    table("ms", *(f"{s} s clip" for s in seconds))
    for how, by_length in ms.items():
        row(how, *(spread(values) for values in by_length.values()))


def overload() -> None:
    """64 clients at 110 % of what the service can do, for two minutes; the cache is full within the first."""
    with serving(EARMARK_CACHE_BYTES=str(64 * 2**20)) as service:
        wavs = [form(wav, QUERIES) for wav in clips(40, seed=5)]
        knee = closed_loop(service.url, wavs, 4).per_second
        base = next(clips(1, seed=9))
        table("64 clients, 110 % of the knee", "200", "429", "other", "p50, ms", "p99, ms", "memory, MiB")
        for minute in (1, 2):
            answers = open_loop(service.url, lambda i, m=minute: form(_varied(base, i, m), QUERIES), 64, 1.1 * knee, 60)
            other = sum(count for status, count in answers.statuses.items() if status not in (200, 429))
            row(
                f"minute {minute}, {1.1 * knee:.0f} requests/s",
                answers.statuses[200],
                answers.statuses[429],
                other,
                f"{answers.quantile_ms(0.5):.0f}",
                f"{answers.quantile_ms(0.99):.0f}",
                f"{service.memory_mib():.0f}",
            )


def long() -> None:
    """One clip of an hour, and one of three: /livez every 50 ms meanwhile, and the most memory above that of the idle service."""
    table(
        "long clip, 16 kHz FLAC", "s", "/livez, requests", "p50, ms", "p99, ms", "largest, ms", "memory above idle, MiB"
    )
    for hours in (1, 3):
        with serving(EARMARK_MAX_CLIP_S="10800") as service:
            Client(service.url).post(form(next(clips(1)), QUERIES))
            idle_mib = service.memory_mib()
            service.forget_peak()
            body = form(_long_flac(hours * 3600), QUERIES, curves="none")
            began = time.perf_counter()
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(_posted_ms, Client(service.url), body)
                ms, client = list[float](), Client(service.url)
                while not answer.done():
                    asked = time.perf_counter()
                    assert client.get("/livez")[0] == 200
                    ms.append(1000 * (time.perf_counter() - asked))
                    time.sleep(0.05)
            row(
                f"{hours} h",
                f"{time.perf_counter() - began:.1f}",
                len(ms),
                f"{np.quantile(ms, 0.5):.1f}",
                f"{np.quantile(ms, 0.99):.1f}",
                f"{max(ms):.1f}",
                f"{service.peak_memory_mib() - idle_mib:.0f}",
            )


def _long_flac(seconds: int) -> bytes:
    """A minute of quiet noise, over and over."""
    minute = (np.random.default_rng(0).standard_normal(60 * 16_000) * 30).astype(np.int16)
    buffer = BytesIO()
    with soundfile.SoundFile(buffer, "w", 16_000, 1, format="FLAC") as file:
        for _ in range(seconds // 60):
            file.write(minute)
    return buffer.getvalue()


def _varied(wav: bytes, number: int, minute: int) -> bytes:
    """The same clip with other first samples, so that it is another clip."""
    return wav[:44] + (minute * 10**6 + number).to_bytes(8, "little") + wav[52:]


def _posted_ms(client: Client, body: bytes) -> float:
    began = time.perf_counter()
    status, answer = client.post(body)
    assert status == 200, answer
    return 1000 * (time.perf_counter() - began)


SCENARIOS: dict[str, Callable[[], None]] = {
    one.__name__: one for one in (throughput, latency, known, cached, overload, long)
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.serving", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], help="all if none is named")
    for name in parser.parse_args().scenarios or SCENARIOS:
        print(f"\n### {name}\n\n{SCENARIOS[name].__doc__}")
        SCENARIOS[name]()


if __name__ == "__main__":
    main()
