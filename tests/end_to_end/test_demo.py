"""The shipped model, served by the real process, on the demo recording."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "tests" / "demo"
TRUTH = json.loads((DEMO / "truth.json").read_text())
FOUND = (
    "birds chirp",
    "a dog barks",
    "a siren wails",
    "a car horn honks",
    "someone is speaking",
    "an alarm clock rings",
    "something fries in a pan",
)
SYNONYM = "a canine barking"


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Any]]:
    """The service's answer to every query, with its defaults."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EARMARK_")} | {"EARMARK_PORT": "0"}
    command = [sys.executable, "-m", "service", "serve"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address
        queries = [*FOUND, "a cat meows", SYNONYM]
        clip = (DEMO / "scene.flac").read_bytes()
        answer = httpx.post(
            f"{address.group()}/localize",
            files=[("audio", ("scene.flac", clip)), *(("query", (None, query)) for query in queries)],
            timeout=60,
        )
        yield {result["query"]: result for result in answer.raise_for_status().json()["results"]}
        server.terminate()


def overlap_s(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


@pytest.mark.parametrize("query", FOUND)
def test_every_event_is_covered(results: dict[str, Any], query: str) -> None:
    segments = [(s["onset_s"], s["offset_s"]) for s in results[query]["segments"]]
    for event in (e for e in TRUTH if e["query"] == query):
        span = (event["onset_s"], event["offset_s"])
        covered = sum(overlap_s(span, segment) for segment in segments)
        assert covered >= 0.7 * (span[1] - span[0]), (span, segments)


def test_a_sound_that_is_not_there_is_absent(results: dict[str, Any]) -> None:
    assert not results["a cat meows"]["present"]


def test_a_synonym_finds_the_same_times(results: dict[str, Any]) -> None:
    ours, theirs = (
        [(s["onset_s"], s["offset_s"]) for s in results[query]["segments"]] for query in ("a dog barks", SYNONYM)
    )
    assert len(ours) == len(theirs) == 2
    for one, other in zip(ours, theirs, strict=True):
        assert overlap_s(one, other) >= 0.8 * max(one[1] - one[0], other[1] - other[0])
