from dataclasses import replace

import numpy as np

from tests.unit.training.evaluation.fake_localizer import GRID, FakeLocalizer, fake_set
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, merged_events
from training.evaluation.tuning import common_threshold, tune


def test_each_label_gets_the_middle_of_its_best_thresholds() -> None:
    default, by_label = tune(FakeLocalizer(), fake_set("0.3", "0.8"))
    assert default.threshold == 0.5
    # F1 is 1 at the thresholds from 0.03 up to the score: 0.03 to 0.29, and 0.03 to 0.79
    assert [settings.threshold for settings in by_label] == [0.17, 0.41]
    assert [settings.median_filter_s for settings in by_label] == [0.0, 0.0]  # all widths are equally good


def test_the_median_filter_with_the_highest_psds1_is_chosen() -> None:
    class NoisyWithoutFilter(FakeLocalizer):
        """Misses the event at the default width."""

        def scores(self, waveform: np.ndarray, queries: list[str], median_filter_s: float) -> np.ndarray:
            curves = super().scores(waveform, queries, median_filter_s)
            return curves[:, ::-1].copy() if median_filter_s == 0.0 else curves

    _, (settings,) = tune(NoisyWithoutFilter(), fake_set("0.9"))
    assert settings.median_filter_s == 0.12


def test_a_label_without_events_keeps_the_default() -> None:
    evaluation_set = fake_set("0.3", "0.8")
    clip = replace(evaluation_set.clips[0], events=evaluation_set.clips[0].events[:1])
    default, by_label = tune(FakeLocalizer(), replace(evaluation_set, clips=(clip,)))
    assert by_label[0].threshold == 0.17
    assert by_label[1] == default


def test_a_label_that_is_never_detected_keeps_the_default_threshold() -> None:
    _, (settings,) = tune(FakeLocalizer(), fake_set("0.02"))  # the whole clip has one score
    assert settings.threshold == 0.5


def test_a_model_that_is_not_calibrated_gets_the_common_threshold() -> None:
    default, _ = tune(FakeLocalizer(calibrated=False), fake_set("0.3", "0.8"))
    assert default.threshold == 0.17  # of 0.03 to 0.29, where both labels are detected


def test_only_the_first_query_of_each_label_is_used() -> None:
    localizer = FakeLocalizer()
    evaluation_set = replace(fake_set("dog"), queries=(("0.3", "0.8"),))
    _, (settings,) = tune(localizer, evaluation_set)
    assert settings.threshold == 0.17


def test_the_common_threshold_maximizes_the_mean_f1_of_the_labels() -> None:
    edges_s = GRID.edges(50, 2.0)
    queries = [
        ScoredQuery(
            0, label, np.where((edges_s[:-1] >= 0.4) & (edges_s[:-1] < 0.8), score, 0.1), edges_s, {label: times}
        )
        for label, (score, times) in enumerate(
            [(0.95, merged_events([(0.4, 0.8)])), (0.15, merged_events([(0.4, 0.8)]))]
        )
    ]
    # both labels are detected at 0.11 and 0.13 only; the upper of the two is chosen
    assert common_threshold(ScoredQueries(("dog", "cat"), tuple(queries), 1)) == 0.13
