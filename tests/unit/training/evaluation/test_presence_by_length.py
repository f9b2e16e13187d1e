from dataclasses import replace

import numpy as np
import pytest

from service.core.presence import PresenceRule
from tests.unit.training.evaluation.fake_localizer import GRID, FakeLocalizer
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet
from training.evaluation.localizers import postprocessing_at
from training.evaluation.presence_by_length import AbsentPeaks, described, excerpts, presence_report
from training.evaluation.scored_queries import ScoredQuery, merged_events

SETTINGS = postprocessing_at(0.5, 0.0, 1.0)


def recording(duration_s: float, *sounds: tuple[float, float], events: tuple = ()) -> EvaluationClip:
    waveform = np.zeros(round(16_000 * duration_s), np.float32)
    for onset_s, offset_s in sounds:
        waveform[round(16_000 * onset_s) : round(16_000 * offset_s)] = 0.5
    return EvaluationClip("recording", lambda _: waveform, duration_s, events, (0,))


def test_excerpts_hold_the_parts_of_the_events_and_the_sound_between_their_ends() -> None:
    clip = recording(20.0, (7.0, 9.0), events=(("0.6", 7.0, 9.0), ("0.6", 12.0, 13.0)))
    first, second, third = excerpts(clip, 8.0, 3)
    assert [e.name for e in (first, second, third)] == [f"recording from {start} s" for start in (0, 6, 12)]
    assert first.events == (("0.6", 7.0, 8.0),)
    assert second.events == (("0.6", 1.0, 3.0), ("0.6", 6.0, 7.0))
    assert third.events == (("0.6", 0.0, 1.0),)
    assert np.flatnonzero(second.waveform(16_000))[[0, -1]].tolist() == [16_000, 47_999]
    assert second.waveform(16_000).shape == (128_000,)


def test_presence_is_counted_by_length() -> None:
    # the sound at 30 s is no event: the only excerpt of 60 s has it, and none of those of 5 s and 10 s
    clip = recording(60.0, (1.0, 3.0), (31.0, 31.5), events=(("0.6", 1.0, 3.0),))
    silent = replace(recording(60.0, (31.0, 31.5)), name="silent")
    evaluation_set = EvaluationSet("two", (clip, silent), ("0.6",), (("0.6",),))
    localizer = FakeLocalizer()
    report = presence_report(localizer, evaluation_set, SETTINGS, resamples=5)
    assert set(report) == {"5 s", "10 s", "60 s"}
    # excerpts of 5 s begin every 6.11 s: that at 30.56 s holds the sound of both recordings; one of 20 holds the event
    assert report["5 s"]["false_presence"]["value"] == pytest.approx(2 / 19)
    assert report["5 s"]["presence"]["value"] == 1.0
    assert report["60 s"]["false_presence"]["value"] == 1.0
    localizer.presence = PresenceRule(30.0, 1.0)  # 0.73 is needed in 60 s
    report = presence_report(localizer, evaluation_set, SETTINGS, resamples=5)
    assert report["5 s"]["false_presence"]["value"] == pytest.approx(2 / 19)
    assert report["60 s"]["false_presence"]["value"] == report["60 s"]["presence"]["value"] == 0.0
    assert report["60 s"]["false_presence_any_segment"]["value"] == report["60 s"]["presence_any_segment"]["value"] == 1


def noisy(n_curves: int, heard: bool = False) -> AbsentPeaks:
    """Curves of independent frames whose peaks exceed a logit x with probability exp(-x) each."""
    rng, peaks = np.random.default_rng(0), AbsentPeaks()
    edges_s = GRID.edges(15_000, 600.0)
    for _ in range(n_curves):
        logits = rng.exponential(1.0, 1000).repeat(15) - 8.0
        curve = (1 / (1 + np.exp(-logits))).astype(np.float32)
        events = {0: merged_events([(0.0, 600.0)])} if heard else {}
        peaks.add(ScoredQuery(0, 0, curve, edges_s, events), GRID, postprocessing_at(0.5, 0.0, 1.0))
    return peaks


def test_the_rule_of_independent_chances_rises_by_the_logarithm_of_2_with_each_doubling() -> None:
    rule = noisy(400).fit(threshold=0.5, false_presence=0.05)
    assert rule is not None
    assert rule.logits_per_doubling == pytest.approx(np.log(2), abs=0.06)
    # n chances of 0.6 s exceed a logit of 0 with n * exp(-8) = 0.05
    assert rule.from_s == pytest.approx(0.6 * 0.05 * np.exp(8), rel=0.25)


def test_no_rule_is_made_where_scores_do_not_rise_with_the_length() -> None:
    assert noisy(3, heard=True).fit(0.5, 0.05) is None
    constant, edges_s = AbsentPeaks(), GRID.edges(15_000, 600.0)
    constant.add(ScoredQuery(0, 0, np.full(15_000, 0.2, np.float32), edges_s, {}), GRID, SETTINGS)
    assert constant.fit(0.5, 0.05) is None


def test_a_rule_is_described_by_its_thresholds() -> None:
    assert described(None, [5.0], 0.5) == "every segment counts"
    assert described(PresenceRule(30.0, 1.0), [5.0, 60.0], 0.5) == "0.50 at 5 s, 0.73 at 60 s"
