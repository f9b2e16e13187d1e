"""Test vectors of the exports: random reports of the page, and the texts that the command line writes for them."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from service.answer import SCORE_DECIMALS
from service.command_line.renderings import as_audacity, as_csv
from service.core.segments import Segment

QUERIES = ("a dog barks", 'he says "hi", twice', "rain\nand  wind", " padded ", "Türglocke 🔔", "1.5", "a\tb")


def vectors(seed: int, number: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [_vector(rng) for _ in range(number)]


def _vector(rng: np.random.Generator) -> dict[str, Any]:
    results = [
        SimpleNamespace(query=query, segments=tuple(_segment(rng) for _ in range(rng.integers(0, 4))))
        for query in rng.choice(QUERIES, rng.integers(1, 4), replace=False).tolist()
    ]
    localization: Any = SimpleNamespace(results=results)
    return {
        "report": {
            "results": [{"query": each.query, "segments": [vars_of(s) for s in each.segments]} for each in results]
        },
        "csv": as_csv(localization),
        "audacity": as_audacity(localization),
    }


def _segment(rng: np.random.Generator) -> Segment:
    onset_s = float(
        rng.choice([rng.integers(0, 3600) * 0.04, rng.integers(0, 9), rng.uniform(0.0001, 0.001), rng.uniform(0, 3600)])
    )
    offset_s = onset_s + float(rng.choice([1.0, 0.04, rng.random()]))
    score = np.round(np.float32(rng.random()), SCORE_DECIMALS)  # as in the curves that the service sends
    return Segment(onset_s, offset_s, float(score), (onset_s + offset_s) / 2)


def vars_of(segment: Segment) -> dict[str, float]:
    return {name: getattr(segment, name) for name in Segment.__dataclass_fields__}
