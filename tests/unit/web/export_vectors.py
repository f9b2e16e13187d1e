"""Test vectors of the exports: random reports of the page, and the texts that service.formats writes for them."""

from typing import Any, get_args

import numpy as np

from service.formats.document import Detection, Document
from service.formats.registry import TableName, render

QUERIES = (
    "a dog barks",
    'he says "hi", twice',
    "rain\nand  wind",
    " padded ",
    "T\u00fcrglocke",
    "1.5",
    "a\tb",
    "<b> & c --> d",
    "e ---> f",
)
NAMES = ("street.wav", 'my "best" take.flac', "a\tb")
_SAMPLE_RATE_HZ = 16_000


def vectors(seed: int, number: int) -> list[dict[str, Any]]:
    """Random vectors, some without segments."""
    rng = np.random.default_rng(seed)
    return [_vector(rng) for _ in range(number)]


def _vector(rng: np.random.Generator) -> dict[str, Any]:
    queries = rng.choice(QUERIES, rng.integers(1, 4), replace=False).tolist()
    detections = {query: [_detection(rng, query) for _ in range(rng.integers(0, 4))] for query in queries}
    all_detections = tuple(each for query in queries for each in detections[query])
    name = str(rng.choice(NAMES))
    document = Document(name, "id", 4000.0, ("model", "1"), _SAMPLE_RATE_HZ / 2, all_detections)
    results = [{"query": query, "segments": [_values(each) for each in detections[query]]} for query in queries]
    return {
        "report": {
            "name": name,
            "sampleRate": _SAMPLE_RATE_HZ,
            "clip": {"id": "id", "duration_s": 4000.0},
            "model": {"name": "model", "version": "1"},
            "results": results,
        },
        "texts": {format_name: render(format_name, document) for format_name in get_args(TableName)},
    }


def _detection(rng: np.random.Generator, query: str) -> Detection:
    onsets = [rng.integers(0, 3600) * 0.04, rng.integers(0, 9), rng.uniform(0.0001, 0.001), rng.uniform(0, 3600)]
    onset_s = round(float(rng.choice(onsets)), 6)
    offset_s = round(onset_s + float(rng.choice([1.0, 0.04, rng.uniform(0.0002, 1)])), 6)
    return Detection(query, onset_s, offset_s, round(rng.uniform(0.0001, 1), 6), round((onset_s + offset_s) / 2, 6))


def _values(detection: Detection) -> dict[str, float]:
    return {name: getattr(detection, name) for name in ("onset_s", "offset_s", "score", "peak_s")}
