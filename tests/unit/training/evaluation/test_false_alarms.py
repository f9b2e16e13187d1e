from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.segments import find_segments
from tests.unit.training.evaluation.fake_localizer import FakeLocalizer, fake_set
from tests.unit.training.evaluation.test_against_sed_scores_eval import draw
from training.evaluation.count_changes import count_changes, intersection_criterion
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet
from training.evaluation.false_alarms import THRESHOLDS, AlarmCounts, alarm_report, curve_counts, found_at
from training.evaluation.localizers import postprocessing_at
from training.evaluation.scored_queries import ScoredQuery, merged_events

GRID = FrameGrid(100, 10)  # frames of 0.1 s
SERVED = Postprocessing(0.5, 0.5, 0.0, 1.0, min_duration_s=0.0, merge_gap_s=0.0)
EVENTS = ((0.2, 0.5), (0.8, 1.0))


def test_a_hand_worked_case() -> None:
    #                 0    1    2    3    4    5    6    7    8    9   frames; the events are 2 to 4 and 8 to 9
    levels = np.array([0.9, 0.1, 0.6, 0.3, 0.7, 0.5, 0.8, 0.2, 0.4, 0.1], np.float32)
    edges_s = GRID.edges(10, 1.0)
    alarms, found = curve_counts(levels, merged_events(EVENTS), edges_s, np.array([0.0, 0.25, 0.35, 0.55, 0.65, 0.85]))
    # at 0.00 one segment, which touches both events
    # at 0.25 the segments are 0, 2 to 6, and 8: only the first touches no event
    # at 0.35 they are 0, 2, 4 to 6, and 8
    # at 0.55 they are 0, 2, 4, and 6: the last is cut off from the event and is a false alarm too
    # at 0.65 they are 0, 4, and 6; at 0.85 only 0
    assert alarms.tolist() == [0, 1, 1, 2, 2, 1]
    assert found.tolist() == [2, 2, 2, 1, 1, 0]


def test_a_segment_that_ends_where_an_event_begins_is_a_false_alarm() -> None:
    levels = np.array([0.1, 0.9, 0.1, 0.1, 0.1], np.float32)
    edges_s = GRID.edges(5, 0.5)
    for onset_s, alarms, found in ((0.2, 1, 0), (0.2 - 1e-12, 1, 0), (0.19, 0, 1)):
        counts = curve_counts(levels, merged_events([(onset_s, 0.4)]), edges_s, np.array([0.5]))
        assert counts[:, 0].tolist() == [alarms, found]


def brute_force(
    curve: NDArray[np.float32], events: list[tuple[float, float]], duration_s: float, postprocessing: Postprocessing
) -> tuple[int, int]:
    """Counts from the segments of the service, one threshold at a time."""
    segments = find_segments(curve, curve, GRID, duration_s, postprocessing)
    onsets_s, offsets_s = merged_events(events)
    touches = [
        [
            min(s.offset_s, offset) - max(s.onset_s, onset) > 1e-6
            for onset, offset in zip(onsets_s, offsets_s, strict=True)
        ]
        for s in segments
    ]
    return sum(not any(row) for row in touches), sum(any(row[i] for row in touches) for i in range(len(onsets_s)))


@settings(max_examples=200)
@given(
    scores=st.lists(st.integers(0, 20), min_size=2, max_size=40),
    times=st.lists(st.tuples(st.floats(0, 3.9), st.floats(0.01, 2)), max_size=4),
    last=st.integers(1, 10),
    min_duration_s=st.sampled_from([0.0, 0.2, 0.35]),
    merge_gap_s=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_the_counts_are_those_of_the_segments_of_the_service(
    scores: list[int], times: list[tuple[float, float]], last: int, min_duration_s: float, merge_gap_s: float
) -> None:
    curve = (np.array(scores) * 0.04995).astype(np.float32)
    duration_s = GRID.duration_s(10 * (len(curve) - 1) + last)
    events = [(on, min(on + length, duration_s)) for on, length in times if on < duration_s - 0.01]
    served = Postprocessing(0.5, 0.4, 0.0, 1.0, min_duration_s, merge_gap_s)
    query = ScoredQuery(0, 0, curve, GRID.edges(len(curve), duration_s), {0: merged_events(events)} if events else {})
    counts = AlarmCounts.empty(1, 1)
    counts.add(query, GRID, served)
    for index in (0, 40, 77, 99, 150, 198):
        at_threshold = served.override(threshold=float(THRESHOLDS[index]))
        assert tuple(counts.curve[:, index, 0]) == brute_force(curve, events, duration_s, at_threshold)
    assert tuple(counts.default[:, 0, 0]) == brute_force(curve, events, duration_s, served)


@pytest.mark.parametrize("seed", range(5))
def test_without_merging_the_counts_are_those_of_sed_scores_eval(seed: int) -> None:
    queries, _, _ = draw(seed)
    touching = intersection_criterion(dtc=1e-3, gtc=1e-3)  # the shortest overlap is a hundredth of a clip
    counts = AlarmCounts.empty(3, queries.n_clips)
    for query in queries.queries:
        counts.add(query, FrameGrid(16_000, 640), replace(SERVED, threshold=0.3005, threshold_off=0.3005))
    for label, changes in enumerate(count_changes(queries, touching, np.zeros(3))):
        above = changes.score > 0.3005
        assert counts.default[0, label].sum() == changes.false_positives[above].sum() > 0
        assert counts.default[1, label].sum() == changes.true_positives[above].sum() > 0


def test_the_share_found_is_interpolated_where_the_rate_is_first_reached() -> None:
    rates = np.array([[9.0], [4.0], [6.0], [2.0], [0.0]])  # at rising thresholds
    found = np.array([[0.9], [0.8], [0.6], [0.4], [0.1]])
    assert found_at(rates, found, 2.0) == pytest.approx([0.4])
    assert found_at(rates, found, 3.0) == pytest.approx([0.45])
    assert found_at(rates, found, 5.0) == pytest.approx([0.55])  # not 0.82, after the rate has fallen again
    assert found_at(rates, found, 20.0) == pytest.approx([0.9])
    assert found_at(np.array([[9.0], [8.0]]), np.array([[0.9], [0.8]]), 5.0) == pytest.approx([0.8])


def test_figures_of_a_set() -> None:
    clip, silent = fake_set("0.6", "0.7").clips[0], np.zeros(1_600_000, np.float32)
    silent[:16_000] = 0.5  # a second of sound that is no event
    noisy = EvaluationClip("noisy", lambda _: silent, 100.0, (), (0, 1))
    evaluation_set = EvaluationSet("two clips", (clip, noisy), ("0.6", "0.7"), (("0.6", "0.7"), ("0.7", "0.4")))
    report = alarm_report(FakeLocalizer(), evaluation_set, [postprocessing_at(0.5, 0.0, 1.0)] * 2, resamples=10)
    assert report["set"]["events"] == 2
    assert report["set"]["hours"] == pytest.approx(102 / 3600)
    # pass 1: both queries are found and give one false alarm each; pass 2: the second query stays below 0.5
    assert report["figures"]["found"]["value"] == 0.75
    assert report["figures"]["alarms_per_hour"]["value"] == pytest.approx(1.5 / (2 * 102 / 3600))
    assert report["labels"]["0.6"]["found"]["value"] == 1.0
    assert report["labels"]["0.7"]["found"]["value"] == 0.5
    assert report["labels"]["0.7"]["alarms_per_hour"]["value"] == pytest.approx(0.5 * 3600 / 102)
    assert [point["alarms_per_hour"] for point in report["curve"]] == [0.5, 1, 2, 3, 5, 7, 10, 14, 20, 27]


def test_a_set_without_events_has_no_share() -> None:
    evaluation_set = replace(fake_set("0.6"), clips=(replace(fake_set("0.6").clips[0], events=()),))
    report = alarm_report(FakeLocalizer(), evaluation_set, [postprocessing_at(0.5, 0.0, 1.0)], resamples=10)
    assert report["figures"]["found"]["value"] is None
    assert report["figures"]["alarms_per_hour"]["value"] == 1800.0
