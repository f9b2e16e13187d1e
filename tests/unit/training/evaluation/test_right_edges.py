import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.training.evaluation.hand_worked import BOTH, CAT_AT_2_TO_6, LABELS, query
from training.evaluation.right_edges import (
    FRACTIONS_OF_PEAK,
    edges_by_duration,
    edges_by_fraction_of_peak,
    has_right_edges,
)
from training.evaluation.scored_queries import ScoredQueries


def by_fraction(curve: list[float], events: list[tuple[str, float, float]] = CAT_AT_2_TO_6) -> dict[str, float]:
    """Fraction of the events of cats with right edges, by fraction of the peak."""
    figures = edges_by_fraction_of_peak(ScoredQueries(LABELS, (query(0, curve, events),), 1))
    return {name: values["all"] for name, values in figures.items()}


@pytest.mark.parametrize(
    ("curve", "right"),
    [
        ([0, 0, 1, 1, 1, 1, 0, 0, 0, 0], True),
        ([0, 0, 1, 1, 1, 0, 0, 0, 0, 0], True),  # three of four seconds
        ([0, 0, 1, 1, 0, 0, 0, 0, 0, 0], False),  # two of four seconds
        ([0, 1, 1, 1, 1, 1, 0, 0, 0, 0], True),  # four of five detected seconds
        ([1, 1, 1, 1, 1, 1, 0, 0, 0, 0], False),  # four of six
        ([0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.2, 0.2, 0.2, 0.2], True),  # at one threshold
        ([0, 0, 0.9, 0, 0.8, 0.8, 0, 0, 0, 0], True),  # in two detections
    ],
)
def test_edges_are_right_where_seven_tenths_of_both_overlap(curve: list[float], right: bool) -> None:
    assert has_right_edges(query(0, curve, CAT_AT_2_TO_6)).tolist() == [right]


def test_events_are_grouped_by_duration() -> None:
    heard = query(0, [0, 0, 1, 1, 1, 1, 0, 0, 0, 0], BOTH)
    missed = query(1, [1, 1, 1, 1, 1, 1, 0, 0, 0, 0], BOTH)
    assert edges_by_duration(ScoredQueries(LABELS, (heard, missed), 1)) == {
        "1 to 2 s": 0.0,
        "2 to 5 s": 1.0,
        "all": 0.5,
    }


@pytest.mark.parametrize(
    ("curve", "right_at"),
    [
        ([0, 0, 1, 1, 1, 1, 0, 0, 0, 0], {0.1, 0.2, 0.3, 0.4, 0.5, 0.7}),
        (
            [0.12, 0.15, 0.45, 0.8, 0.45, 0.15, 0.12, 0, 0, 0],
            {0.2, 0.3, 0.4, 0.5},
        ),  # seven frames, three frames, a frame
        ([0, 0, 0.2, 0.9, 0.2, 0.2, 0.6, 0.8, 0.2, 0.2], set[float]()),  # too long or too short
        ([0.25] * 10, set[float]()),
    ],
)
def test_a_segment_is_cut_at_a_fraction_of_its_peak(curve: list[float], right_at: set[float]) -> None:
    expected = {f"{fraction:g}": float(fraction in right_at) for fraction in FRACTIONS_OF_PEAK}
    assert by_fraction(curve) == expected | {"best": float(bool(right_at))}


def test_the_best_level_may_lie_between_the_fractions() -> None:
    figures = by_fraction([0.04, 0.04, 0.05, 1, 1, 0.05, 0.04, 0.04, 0.04, 0.04])
    assert figures == {f"{fraction:g}": 0.0 for fraction in FRACTIONS_OF_PEAK} | {"best": 1.0}


def test_a_segment_may_reach_the_ends_of_the_clip() -> None:
    assert by_fraction([0.9] * 10, [("cat", 0.0, 10.0)]) == {f"{f:g}": 1.0 for f in FRACTIONS_OF_PEAK} | {"best": 1.0}


def test_a_label_without_a_score_or_without_an_event_is_never_right() -> None:
    assert set(by_fraction([0] * 10).values()) == {0.0}
    nothing = edges_by_fraction_of_peak(ScoredQueries(LABELS, (query(0, [0.5] * 10, []),), 1))
    assert set(map(len, nothing.values())) == {0}


@given(st.lists(st.integers(0, 5), min_size=10, max_size=10))
def test_the_best_level_is_at_least_as_good_as_each_fraction(curve: list[int]) -> None:
    figures = by_fraction([value / 5 for value in curve])
    assert figures["best"] == max(figures.values())


@given(st.lists(st.integers(0, 5), min_size=10, max_size=10))
def test_an_event_whose_peak_has_a_right_level_has_right_edges_at_some_threshold(curve: list[int]) -> None:
    scores = [value / 5 for value in curve]
    if by_fraction(scores)["best"]:
        assert has_right_edges(query(0, scores, CAT_AT_2_TO_6)).all()
