from dataclasses import replace

import numpy as np
import pytest

from training.evaluation.count_changes import (
    CountChanges,
    collar_criterion,
    count_changes,
    intersection_criterion,
    slice_count_changes,
    slice_scores,
)
from training.evaluation.scored_queries import EventTimes, ScoredQueries, ScoredQuery, merged_events

EDGES_S = np.arange(6.0)
CURVE = np.array([0.2, 0.9, 0.2, 0.6, 0.1])
"""A peak in [1, 2) and a lower peak in [3, 4)."""


def scored(curve: np.ndarray = CURVE, **events: EventTimes) -> ScoredQueries:
    """The query `dog` in a single clip of 5 s; `events` are those of `dog` and `cat`."""
    labels = ("dog", "cat")
    return ScoredQueries(
        labels, (ScoredQuery(0, 0, curve, EDGES_S, {labels.index(label): t for label, t in events.items()}),), 1
    )


def changes_of_dog(queries: ScoredQueries, cttc: float | None = None, score_floor: float = 0.0) -> CountChanges:
    dog = replace(queries, labels=("dog",))
    criterion = intersection_criterion(dtc=0.5, gtc=0.5, cttc=cttc)
    (changes,) = count_changes(dog, criterion, np.array([score_floor]))
    return changes


def table(changes: CountChanges) -> list[tuple[float, float, float]]:
    columns = changes.score, changes.true_positives, changes.false_positives
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_counts_change_where_the_threshold_falls_below_a_score() -> None:
    changes = changes_of_dog(scored(dog=merged_events([(1.0, 2.0)])))
    # Below 0.9 the event is detected; below 0.6 a second detection is false. Below 0.2 both become one detection of
    # [0, 4), of which only a quarter is in the event: the true positive is lost and one false positive remains.
    assert table(changes) == [(0.9, 1.0, 0.0), (0.6, 0.0, 1.0), (0.2, -1.0, 0.0)]


def test_without_events_every_detection_is_a_false_positive() -> None:
    assert table(changes_of_dog(scored())) == [(0.9, 0.0, 1.0), (0.6, 0.0, 1.0), (0.2, 0.0, -1.0)]
    assert table(changes_of_dog(scored(np.full(5, 0.3)))) == [(0.3, 0.0, 1.0)]


def test_no_change_is_listed_at_a_score_of_zero() -> None:
    assert table(changes_of_dog(scored(np.zeros(5)))) == []


def test_scores_below_the_floor_are_raised_to_it() -> None:
    changes = changes_of_dog(scored(dog=merged_events([(1.0, 2.0)])), score_floor=0.5)
    assert table(changes) == [(0.9, 1.0, 0.0), (0.6, 0.0, 1.0), (0.5, -1.0, 0.0)]


def test_a_false_positive_in_an_event_of_another_label_is_a_cross_trigger() -> None:
    changes = changes_of_dog(scored(dog=merged_events([(1.0, 2.0)]), cat=merged_events([(3.0, 4.0)])), cttc=0.3)
    triggers = changes.cross_triggers
    assert [
        (changes.score[row], other, change)
        for row, other, change in zip(triggers.row, triggers.other, triggers.change, strict=True)
    ] == [(0.6, 1, 1.0), (0.2, 1, -1.0)]  # of the detection [0, 4), a quarter is in the cat's event: less than 30 %


def test_changes_of_all_clips_are_sorted_by_score() -> None:
    first = scored(dog=merged_events([(1.0, 2.0)])).queries[0]
    second = ScoredQuery(1, 0, np.array([0.7, 0.0, 0.0, 0.0, 0.0]), EDGES_S, {})
    changes = changes_of_dog(ScoredQueries(("dog",), (first, second), 2))
    assert changes.score.tolist() == [0.9, 0.7, 0.6, 0.2]
    assert changes.clip.tolist() == [0, 1, 0, 0]


def test_the_first_changes_keep_their_cross_triggers() -> None:
    changes = changes_of_dog(scored(dog=merged_events([(1.0, 2.0)]), cat=merged_events([(3.0, 4.0)])), cttc=0.3)
    first = changes.first(2)
    assert table(first) == table(changes)[:2]
    assert first.cross_triggers.row.tolist() == [1]


def test_counts_belong_to_a_threshold_only_after_the_last_change_of_a_score() -> None:
    changes = changes_of_dog(scored(dog=merged_events([(1.0, 2.0)])))
    tied = replace(changes, score=np.array([0.9, 0.9, 0.2]))
    assert tied.ends_of_ties().tolist() == [False, True, True]
    assert changes.first(0).ends_of_ties().tolist() == []


@pytest.mark.parametrize(("onset_s", "true_positives"), [(1.2, 1.0), (1.25, 0.0)])
def test_the_collar_limits_the_distance_of_onsets(onset_s: float, true_positives: float) -> None:
    queries = replace(scored(dog=merged_events([(onset_s, 2.0)])), labels=("dog",))
    criterion = collar_criterion(onset_s=0.2, offset_s=0.2, offset_ratio=0.2)
    (changes,) = count_changes(queries, criterion, np.array([0.3]))
    assert changes.true_positives[0] == true_positives


def test_a_slice_has_its_highest_score_and_is_positive_if_an_event_overlaps_it() -> None:
    queries = scored(dog=merged_events([(1.9, 2.0), (4.0, 4.5)]))
    score, positive = slice_scores(queries.queries[0], 2.0)
    assert score.tolist() == [0.9, 0.6, 0.1]
    assert positive.tolist() == [True, False, True]
    (changes,) = slice_count_changes(replace(queries, labels=("dog",)), 2.0)
    assert table(changes) == [(0.9, 1.0, 0.0), (0.6, 0.0, 1.0), (0.1, 1.0, 0.0)]
