"""How the time of an answer grows, and what a short clip waits for: `python -m tests.benchmarks.growth`.

A cell has the median of five repeats, with the smallest and the largest value in parentheses; hours are measured once.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import numpy as np

from tests.benchmarks.load import Client, Service, clips, form, serving
from tests.benchmarks.peers.model import bundle_dir
from tests.benchmarks.serving import REPEATS, long_flac
from tests.benchmarks.tables import row, spread, table

SHORT_S, LONG_S = 2, 3600
IDLE_CLIPS = 60
_MAX_BESIDE = 400


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--long", type=int, default=LONG_S, help="length of the long clip beside short ones, in seconds"
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=[1, 10, 60, 3600, 10800], help="lengths in seconds")
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 10, 100, 1000], help="numbers of queries")
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, help="measurements of a length; three times as many of queries"
    )
    arguments = parser.parse_args()
    settings = {"EARMARK_MAX_CLIP_S": "10800", "EARMARK_MAX_QUERIES": "1000", "EARMARK_BUNDLE": str(bundle_dir())}
    with serving(**settings) as service, closing(Client(service.url)) as client:
        clip_lengths(client, arguments.lengths, arguments.repeats)
        query_numbers(client, arguments.queries, 3 * arguments.repeats)
        beside(service, client, arguments.long, arguments.repeats)


def clip_lengths(client: Client, lengths_s: Sequence[int], repeats: int) -> None:
    """New clips with one query: WAV up to a minute, FLAC above."""
    table("new clip, 1 query", "ms", "ms a minute of sound")
    for seconds in lengths_s:
        if seconds <= 60:
            times_ms = [timed_ms(client, form(wav, ["a dog barks"])) for wav in clips(repeats, seconds, seed=seconds)]
        else:
            times_ms = [timed_ms(client, form(long_flac(seconds), ["a dog barks"], curves="none"))]
        row(f"{seconds} s", spread(times_ms, 0), f"{np.median(times_ms) * 60 / seconds:.0f}")


def query_numbers(client: Client, numbers: Sequence[int], repeats: int) -> None:
    """A known clip of 10 s with new queries, and with the same queries once more."""
    clip_id = json.loads(client.post(form(next(clips(1, seed=99)), ["a dog barks"]))[1])["clip"]["id"]
    unused = iter(range(10**6))
    table("known 10 s clip", "new queries, ms", "to one", "known queries, ms", "to one")
    first: tuple[float, float] | None = None
    for n_queries in numbers:
        new_ms, known_ms = list[float](), list[float]()
        for _ in range(repeats):
            body = form(clip_id, [f"sound number {next(unused)}" for _ in range(n_queries)])
            new_ms.append(timed_ms(client, body))
            known_ms.append(timed_ms(client, body))
        medians = float(np.median(new_ms)), float(np.median(known_ms))
        first = first or medians
        ratios = [f"{value / one:.1f}" for value, one in zip(medians, first, strict=True)]
        row(f"{n_queries} queries", spread(new_ms), ratios[0], spread(known_ms), ratios[1])


def beside(service: Service, client: Client, long_s: int, repeats: int) -> None:
    """Short clips on the idle service, and while a long clip is processed."""
    levels, ratios, took_s, n_beside = (0.5, 0.95), list[float](), list[float](), list[int]()
    quantiles: dict[str, list[list[float]]] = {"idle": [[], []], f"beside a clip of {long_s} s": [[], []]}
    for repeat in range(repeats):
        body = form(long_flac(long_s, seed=1 + repeat), ["a siren"], curves="none")
        idle_ms = [timed_ms(client, short) for short in _short_bodies(IDLE_CLIPS, seed=2 * repeat)]
        busy_ms, long_ms = _times_beside(service, client, body, seed=2 * repeat + 1)
        for by_level, values in zip(quantiles.values(), (idle_ms, busy_ms), strict=True):
            for level, at_level in zip(levels, by_level, strict=True):
                at_level.append(float(np.quantile(values, level)))
        ratios.append(float(np.quantile(busy_ms, 0.95) / np.quantile(idle_ms, 0.95)))
        took_s.append(long_ms / 1000)
        n_beside.append(len(busy_ms))
    table(f"{SHORT_S} s clip", "p50, ms", "p95, ms")
    for name, by_level in quantiles.items():
        row(name, *(spread(values) for values in by_level))
    print(f"\np95 beside the long clip to idle: {spread(ratios, 2)}; the long clip took {spread(took_s)} s")
    print(f"Clips beside a long clip: {min(n_beside)} or more; idle: {IDLE_CLIPS}.")


def _times_beside(service: Service, client: Client, body: bytes, seed: int) -> tuple[list[float], float]:
    """Times of short clips while a long clip is processed, and the time of the long clip, in milliseconds."""
    times_ms, short_bodies = list[float](), list(_short_bodies(_MAX_BESIDE, seed))
    with ThreadPoolExecutor(1) as pool, closing(Client(service.url)) as other:
        long_answer: Future[float] = pool.submit(timed_ms, other, body)
        for short_body in short_bodies:
            times_ms.append(timed_ms(client, short_body))
            if long_answer.done():
                break
            time.sleep(0.02)
        return times_ms, long_answer.result()


def _short_bodies(number: int, seed: int) -> Iterator[bytes]:
    return (form(wav, ["a dog barks"]) for wav in clips(number, SHORT_S, seed=seed))


def timed_ms(client: Client, body: bytes) -> float:
    """Time until the answer with status 200, in milliseconds."""
    began_s = time.perf_counter()
    status, content = client.post(body)
    if status != 200:
        raise RuntimeError(f"status {status}: {content[:200]!r}")
    return 1000 * (time.perf_counter() - began_s)


if __name__ == "__main__":
    main()
