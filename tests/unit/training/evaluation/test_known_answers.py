"""Figures of the test data of the reference implementations, compared with those that the implementations compute."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from training.evaluation.count_changes import count_changes, intersection_criterion
from training.evaluation.curves import psds
from training.evaluation.metrics import segment_error_rate
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, merged_events

KNOWN = Path(__file__).parent / "known_answers"
Events = Mapping[str, Sequence[tuple[float, float]]]

# tests/data/test_1.det to test_4.gt and test.metadata of psds_eval (https://github.com/audioanalytic/psds_eval), MIT licence,
# Copyright (c) 2019 Audio Analytic Ltd
PSDS_DURATIONS_S = (50.0, 50.0, 50.0, 120.0, 10.0)
PSDS_EXAMPLES: list[tuple[int, Events, Events, float]] = [
    (
        0,
        {"c1": [(0, 19), (40, 45)], "c2": [(11, 25), (27, 30), (32, 41.5)], "c3": [(38, 48)]},
        {"c1": [(2, 20)], "c2": [(12, 35)], "c3": [(42, 47)]},
        0.9142857142857143,
    ),
    (
        1,
        {"c1": [(2, 43)], "c2": [(15, 20)], "c3": [(10, 30), (40, 49)]},
        {"c1": [(5, 20)], "c2": [(5, 30)], "c3": [(42, 47)]},
        0.29047619047619044,
    ),
    (
        2,
        {"c1": [(2, 18.5), (29, 48)], "c2": [(10, 30)], "c3": [(32, 38)]},
        {"c1": [(5, 18)], "c2": [(10, 30)], "c3": [(42, 48)]},
        0.6238095238095237,
    ),
    (
        3,
        {
            "c1": [(9, 25), (41, 66)],
            "c2": [(25, 49), (74, 82), (86, 105)],
            "c3": [(33, 45), (46.5, 59)],
            "c4": [(4, 11), (30, 36), (62, 67)],
        },
        {
            "c1": [(2, 22), (43, 64)],
            "c2": [(18, 20), (21, 23), (25, 27), (29, 32), (85, 88)],
            "c3": [(35, 58)],
            "c4": [(47, 66), (97, 100)],
        },
        0.5,
    ),
]


def scored_queries(durations_s: Sequence[float], detected: Sequence[Events], true: Sequence[Events]) -> ScoredQueries:
    """Scored queries whose score is 1 in the detections and 0 elsewhere."""
    labels = sorted({label for events in (*detected, *true) for label in events})
    queries: list[ScoredQuery] = []
    for clip, duration_s in enumerate(durations_s):
        events = {labels.index(label): merged_events(times) for label, times in true[clip].items()}
        for label, name in enumerate(labels):
            detections = np.array(detected[clip].get(name, []), dtype=np.float64).reshape(-1, 2)
            edges_s = np.unique([0.0, duration_s, *detections.ravel()])
            centres_s = (edges_s[1:, None] + edges_s[:-1, None]) / 2
            curve = ((centres_s > detections[:, 0]) & (centres_s < detections[:, 1])).any(axis=1).astype(np.float64)
            queries.append(ScoredQuery(clip, label, curve, edges_s, events))
    return ScoredQueries(tuple(labels), tuple(queries), len(durations_s))


@pytest.mark.parametrize(("recording", "detected", "true", "expected"), PSDS_EXAMPLES)
def test_psds_is_that_of_psds_eval(recording: int, detected: Events, true: Events, expected: float) -> None:
    detected_events: list[Events] = [{} for _ in PSDS_DURATIONS_S]
    true_events: list[Events] = [{} for _ in PSDS_DURATIONS_S]
    detected_events[recording], true_events[recording] = detected, true
    queries = scored_queries(PSDS_DURATIONS_S, detected_events, true_events)
    unweighted = np.ones((queries.n_clips, 1))
    changes = count_changes(queries, intersection_criterion(0.5, 0.5, 0.3), np.zeros(len(queries.labels)))
    areas = psds(changes, queries, unweighted, alpha_ct=0.0, max_fp_per_hour=100.0)
    assert areas.mean[0] == pytest.approx(expected, rel=1e-12)


def read(file: Path) -> dict[str, dict[str, list[tuple[float, float]]]]:
    events: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for line in file.read_text().splitlines():
        head, _, times = line.partition(": ")
        recording, _, label = head.partition(" ")
        pairs = [pair.split() for pair in times.split(", ")]
        events.setdefault(recording, {})[label] = [(float(onset), float(offset)) for onset, offset in pairs]
    return events


def test_the_segment_error_rate_is_that_of_sed_eval() -> None:
    detected, true = read(KNOWN / "street_fold1_detected.txt"), read(KNOWN / "street_fold1_reference.txt")
    assert detected.keys() == true.keys()
    durations_s = [
        max(
            offset_s
            for events in (detected[name], true[name])
            for label_times in events.values()
            for _, offset_s in label_times
        )
        for name in true
    ]
    street = scored_queries(durations_s, [detected[name] for name in true], list(true.values()))
    rate = segment_error_rate(street, np.ones((len(true), 1)), np.full(len(street.labels), 0.5))
    assert rate[0] == pytest.approx(1.0616698292220115, rel=1e-12)
