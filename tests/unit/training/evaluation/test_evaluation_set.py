from dataclasses import replace

import numpy as np

from tests.unit.training.evaluation.fake_localizer import GRID, FakeLocalizer, fake_set
from training.evaluation.evaluation_set import ClipScores, EvaluationSet


def two_passes(pooled: bool = False) -> EvaluationSet:
    """A clip queried with labels 2 and 0 of three, each of which has two queries."""
    evaluation_set = fake_set("dog", "cat", "rain")
    clip = replace(evaluation_set.clips[0], queried_labels=(2, 0))
    queries = (("0.11", "0.12"), ("0.21", "0.22"), ("0.31", "0.32"))
    return replace(evaluation_set, clips=(clip,), queries=queries, pooled=pooled)


def test_scored_queries_hold_no_copies_of_the_curves() -> None:
    evaluation_set = fake_set("0.3", "0.4")
    (clip_scores,) = evaluation_set.score_clips(FakeLocalizer(), [[0.0, 0.0]])
    queries = evaluation_set.scored_queries(clip_scores, 0).queries
    assert all(np.shares_memory(query.curve, clip_scores[0].curves) for query in queries)


def test_curves_are_ordered_by_queried_label_and_then_by_pass() -> None:
    (clip_scores,) = two_passes().score_clips(FakeLocalizer(), [[0.0, 0.0, 0.0]])
    assert clip_scores[0].curves.max(axis=1).round(2).tolist() == np.float32([0.31, 0.32, 0.11, 0.12]).tolist()
    assert clip_scores[0].edges_s[[0, -1]].tolist() == [0.0, 2.0]


def test_each_pass_takes_one_query_of_every_queried_label() -> None:
    evaluation_set = two_passes()
    (clip_scores,) = evaluation_set.score_clips(FakeLocalizer(), [[0.0, 0.0, 0.0]])
    for pass_index, expected in ((0, {2: 0.31, 0: 0.11}), (1, {2: 0.32, 0: 0.12})):
        queries = evaluation_set.scored_queries(clip_scores, pass_index)
        assert {query.label: round(float(query.curve.max()), 2) for query in queries.queries} == expected
        assert queries.labels == ("dog", "cat", "rain")


def test_queries_of_a_label_are_scored_with_its_median_filter() -> None:
    localizer = FakeLocalizer()
    two_passes().score_clips(localizer, [[0.1, 0.2, 0.3]])
    assert localizer.calls == [(["0.11", "0.12"], 0.1), (["0.31", "0.32"], 0.3)]


def test_a_clip_is_read_once_for_all_choices_of_the_median_filter() -> None:
    rates_hz: list[int] = []
    clip = fake_set("0.3").clips[0]

    def waveform(sample_rate_hz: int) -> np.ndarray:
        rates_hz.append(sample_rate_hz)
        return clip.waveform(sample_rate_hz)

    evaluation_set = replace(fake_set("0.3"), clips=(replace(clip, waveform=waveform),))
    assert len(evaluation_set.score_clips(FakeLocalizer(), [[0.0], [0.1], [0.2]])) == 3
    assert rates_hz == [16_000]


def test_queries_of_a_pooled_set_share_a_label_and_keep_only_their_events() -> None:
    evaluation_set = two_passes(pooled=True)
    scores = ClipScores(np.zeros((4, 50), np.float32), GRID.edges(50, 2.0))
    queries = evaluation_set.scored_queries([scores], 0)
    assert queries.labels == evaluation_set.scored_labels == ("all captions",)
    assert [query.label for query in queries.queries] == [0, 0]
    assert [list(query.events) for query in queries.queries] == [[0], [0]]


def test_events_of_other_labels_or_after_the_end_are_no_events_of_the_set() -> None:
    clip = fake_set("dog").clips[0]
    for event, has_events in ((("dog", 1.9, 3.0), True), (("dog", 2.0, 3.0), False), (("cat", 0.0, 1.0), False)):
        assert replace(fake_set("dog"), clips=(replace(clip, events=(event,)),)).has_events is has_events
