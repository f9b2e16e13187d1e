"""The packaged model, served by the service as a process, on the demo recording."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import soundfile

from service.core.manifest import PACKAGED_BUNDLE, verify_bundle
from tests import patient_http

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
CONTEXT_S = 2.0
"""A sound that begins sooner after the cut is not compared: the model hears less of what is before it."""
SHORT_CLIP_THRESHOLD = 0.2
"""The threshold that the model card names for short clips; with the default threshold half of the frying is found."""
MARGIN = 0.1
"""A segment whose score is closer to the threshold may appear or vanish when a clip is shifted."""


Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EARMARK_")} | {"EARMARK_PORT": "0"}
    command = [sys.executable, "-m", "service", "serve"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        match = re.search(r"http://\S+", server.stdout.readline())
        assert match
        yield match.group()
        server.terminate()


@pytest.fixture(scope="module")
def results(address: str) -> Results:
    """The service's answer to every query, with its defaults."""
    return localize(address, (DEMO / "scene.flac").read_bytes(), [*QUERIES_WITH_EVENTS, "a cat meows", SYNONYM])


@pytest.fixture(scope="module")
def sensitive_results(address: str) -> Results:
    """The service's answer to every query with the threshold for short clips."""
    return localize(
        address, (DEMO / "scene.flac").read_bytes(), [*QUERIES_WITH_EVENTS, "a cat meows"], SHORT_CLIP_THRESHOLD
    )


def localize(address: str, clip: bytes, queries: Sequence[str], threshold: float | None = None) -> Results:
    form = [("audio", ("scene.flac", clip)), *(("query", (None, query)) for query in queries)]
    form += [("threshold", (None, str(threshold)))] if threshold is not None else []
    answer = patient_http.post(f"{address}/localize", files=form).raise_for_status()
    return {result["query"]: result for result in answer.json()["results"]}


def segments_of(result: dict[str, Any]) -> list[tuple[float, float]]:
    return [(segment["onset_s"], segment["offset_s"]) for segment in result["segments"]]


def iou(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Length of the intersection of two intervals divided by the length of their union."""
    return overlap_s(first, second) / (max(first[1], second[1]) - min(first[0], second[0]))


def overlap_s(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Length of the overlap of two [onset_s, offset_s) intervals."""
    return max(0.0, min(first[1], second[1]) - max(first[0], second[0]))


@pytest.mark.parametrize("query", QUERIES_WITH_EVENTS)
def test_every_event_is_covered(results: Results, sensitive_results: Results, query: str) -> None:
    segments = segments_of((sensitive_results if query == "something fries in a pan" else results)[query])
    for event in (event for event in TRUTH if event["query"] == query):
        onset_s, offset_s = event["onset_s"], event["offset_s"]
        covered_s = sum(overlap_s((onset_s, offset_s), segment) for segment in segments)
        assert covered_s >= 0.5 * (offset_s - onset_s), (event, segments)


def test_a_sound_that_is_not_in_the_recording_has_no_segment(results: Results, sensitive_results: Results) -> None:
    assert not results["a cat meows"]["present"]
    assert not sensitive_results["a cat meows"]["present"]


def test_a_synonym_finds_the_same_times(results: Results) -> None:
    segments, synonym_segments = (segments_of(results[query]) for query in ("a dog barks", SYNONYM))
    assert len(segments) == len(synonym_segments) == 3  # the first barking is split
    for first, second in zip(segments, synonym_segments, strict=True):
        assert overlap_s(first, second) >= 0.8 * max(first[1] - first[0], second[1] - second[0])


def test_a_clip_that_is_shifted_by_half_a_window_keeps_its_segments(results: Results, address: str) -> None:
    manifest = verify_bundle(PACKAGED_BUNDLE)
    shift_s = manifest.window_frames * manifest.hop_samples / manifest.sample_rate_hz / 2
    samples, rate = soundfile.read(DEMO / "scene.flac", dtype="int16")
    shifted = io.BytesIO()
    soundfile.write(shifted, samples[round(shift_s * rate) :], rate, format="FLAC")
    answer = localize(address, shifted.getvalue(), QUERIES_WITH_EVENTS)
    compared = 0
    for query in QUERIES_WITH_EVENTS:
        before = [(onset_s - shift_s, offset_s - shift_s) for onset_s, offset_s in segments_of(results[query])]
        after = segments_of(answer[query])
        for result, others in ((results[query], after), (answer[query], before)):
            mine = before if others is after else after
            for segment, (onset_s, offset_s) in zip(result["segments"], mine, strict=True):
                if onset_s > CONTEXT_S and segment["score"] > manifest.postprocessing.threshold + MARGIN:
                    assert any(iou((onset_s, offset_s), other) > 0.75 for other in others), (query, segment, others)
                    compared += 1
    assert compared >= 2 * len(QUERIES_WITH_EVENTS) - 4
