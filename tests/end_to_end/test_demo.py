"""The shipped model, served by the real process, on the demo recording."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "tests" / "demo"
TRUTH = json.loads((DEMO / "truth.json").read_text())
FOUND = (
    "birds are chirping",
    "a dog barks",
    "a siren wails",
    "a car horn honks",
    "someone is speaking",
    "a telephone rings",
)
SYNONYMS = (("a dog barks", "a canine barking"),)


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, list[tuple[float, float]]]]:
    """Segments of every query, as the service gives them by default."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EARMARK_")} | {"EARMARK_PORT": "0"}
    command = [sys.executable, "-m", "service", "serve"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address
        queries = [*FOUND, "a cat meows", "a canine barking"]
        clip = (DEMO / "scene.flac").read_bytes()
        answer = httpx.post(
            f"{address.group()}/localize",
            files=[("audio", ("scene.flac", clip)), *(("query", (None, query)) for query in queries)],
            timeout=60,
        )
        yield {
            result["query"]: [(s["onset_s"], s["offset_s"]) for s in result["segments"]]
            for result in answer.raise_for_status().json()["results"]
        }
        server.terminate()


def overlap_s(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


@pytest.mark.parametrize("query", FOUND)
def test_every_event_is_covered(answers: dict[str, list[tuple[float, float]]], query: str) -> None:
    for event in (e for e in TRUTH if e["query"] == query):
        span = (event["onset_s"], event["offset_s"])
        covered = sum(overlap_s(span, segment) for segment in answers[query])
        assert covered >= 0.7 * (span[1] - span[0]), (span, answers[query])


def test_a_sound_that_is_not_there_is_absent(answers: dict[str, list[tuple[float, float]]]) -> None:
    assert answers["a cat meows"] == []


@pytest.mark.parametrize(("query", "synonym"), SYNONYMS)
def test_synonyms_find_the_same_events(answers: dict[str, list[tuple[float, float]]], query: str, synonym: str) -> None:
    for segment in answers[query]:
        assert any(overlap_s(segment, other) > 0.5 * (segment[1] - segment[0]) for other in answers[synonym])
