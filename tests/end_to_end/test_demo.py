"""The packaged model, served by the service as a process, on the demo recording."""

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
QUERIES_WITH_EVENTS = (
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
        queries = [*QUERIES_WITH_EVENTS, "a cat meows", SYNONYM]
        clip = (DEMO / "scene.flac").read_bytes()
        answer = httpx.post(
            f"{address.group()}/localize",
            files=[("audio", ("scene.flac", clip)), *(("query", (None, query)) for query in queries)],
            timeout=60,
        )
        yield {result["query"]: result for result in answer.raise_for_status().json()["results"]}
        server.terminate()


def overlap_s(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Length of the overlap of two [onset_s, offset_s) intervals."""
    return max(0.0, min(first[1], second[1]) - max(first[0], second[0]))


@pytest.mark.parametrize("query", QUERIES_WITH_EVENTS)
def test_every_event_is_covered(results: dict[str, Any], query: str) -> None:
    segments = [(s["onset_s"], s["offset_s"]) for s in results[query]["segments"]]
    for event in (event for event in TRUTH if event["query"] == query):
        onset_s, offset_s = event["onset_s"], event["offset_s"]
        covered_s = sum(overlap_s((onset_s, offset_s), segment) for segment in segments)
        assert covered_s >= 0.7 * (offset_s - onset_s), (event, segments)


def test_a_sound_that_is_not_in_the_recording_has_no_segment(results: dict[str, Any]) -> None:
    assert not results["a cat meows"]["present"]


def test_a_synonym_finds_the_same_times(results: dict[str, Any]) -> None:
    segments, synonym_segments = (
        [(s["onset_s"], s["offset_s"]) for s in results[query]["segments"]] for query in ("a dog barks", SYNONYM)
    )
    assert len(segments) == len(synonym_segments) == 2
    for first, second in zip(segments, synonym_segments, strict=True):
        assert overlap_s(first, second) >= 0.8 * max(first[1] - first[0], second[1] - second[0])
