import numpy as np

from training.evaluation.scored_queries import (
    ScoredQueries,
    ScoredQuery,
    bootstrap_weights,
    events_by_label,
    frames_in_events,
    merged_events,
)

EDGES_S = np.array([0.0, 1.0, 2.0, 3.0, 3.5])
DOG, CAT = merged_events([(0.0, 1.0), (2.0, 3.5)]), merged_events([(1.0, 2.0)])


def query(clip: int, label: int, events: dict[int, tuple[np.ndarray, np.ndarray]]) -> ScoredQuery:
    return ScoredQuery(clip, label, np.zeros(4), EDGES_S, events)


def test_the_first_resample_is_the_set_itself() -> None:
    weights = bootstrap_weights(5, 100, seed=1)
    assert weights.shape == (5, 101)
    assert (weights[:, 0] == 1).all()
    assert (weights.sum(axis=0) == 5).all()


def test_totals_of_each_label_in_each_clip() -> None:
    queries = ScoredQueries(
        ("dog", "cat"), (query(0, 0, {0: DOG, 1: CAT}), query(0, 1, {0: DOG, 1: CAT}), query(2, 0, {})), 3
    )
    assert queries.n_events.tolist() == [[2, 0, 0], [1, 0, 0]]
    assert queries.event_s.tolist() == [[2.5, 0, 0], [1.0, 0, 0]]
    assert queries.duration_s.tolist() == [[3.5, 0, 3.5], [3.5, 0, 0]]
    assert [[scored.clip for scored in of_label] for of_label in queries.by_label] == [[0, 2], [0]]


def test_events_are_split_into_those_of_the_query_and_those_of_other_labels() -> None:
    scored = query(0, 1, {0: DOG, 1: CAT})
    assert scored.target_events is CAT
    assert list(scored.other_events) == [0]
    assert scored.truth().tolist() == [False, True, False, False]
    assert not query(0, 1, {0: DOG}).truth().any()


def test_pooled_queries_are_those_with_an_event() -> None:
    queries = ScoredQueries(("dog", "cat"), (query(0, 0, {1: CAT}), query(0, 1, {0: DOG, 1: CAT})), 1).pooled()
    assert queries.labels == ("all",)
    (scored,) = queries.queries
    assert scored.label == 0
    assert scored.target_events is CAT
    assert scored.other_events == {}


def test_a_frame_is_in_an_event_if_its_centre_is() -> None:
    in_events = frames_in_events(merged_events([(0.5, 1.5), (2.6, 3.25)]), EDGES_S)
    assert in_events.tolist() == [True, False, False, False]  # centres 0.5, 1.5, 2.5, 3.25; offsets are exclusive


def test_events_are_cut_at_the_end_of_the_clip() -> None:
    events = [("dog", 1.0, 9.0), ("dog", 0.0, 1.0), ("cat", 2.0, 3.0), ("wind", 0.0, 1.0)]
    by_label = events_by_label(["cat", "dog"], events, duration_s=2.0)
    assert list(by_label) == [1]
    assert [times.tolist() for times in by_label[1]] == [[0.0], [2.0]]
