from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.training.evaluation.fake_localizer import FakeLocalizer
from tests.unit.training.evaluation.test_presence_by_length import recording
from training.evaluation.default_threshold import choose_default, lowest_threshold, main, measure
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.false_alarms import THRESHOLDS


def test_the_lowest_threshold_above_the_last_rate_that_is_too_high_is_chosen() -> None:
    rates = np.zeros(len(THRESHOLDS))
    rates[:40], rates[50] = 9.0, 6.0
    assert lowest_threshold(rates, 5.0) == THRESHOLDS[51]
    assert lowest_threshold(rates, 6.0) == THRESHOLDS[40]
    assert lowest_threshold(rates, 9.0) == THRESHOLDS[0]
    with pytest.raises(
        ValueError, match=r"7.0 false alarms per hour and query at the highest threshold, 0.995; at most 5"
    ):
        lowest_threshold(np.full(len(THRESHOLDS), 7.0), 5.0)


def test_the_threshold_keeps_the_false_alarms_of_the_tuning_set() -> None:
    # 10 minutes with 12 sounds that are no events of the first two queries: 72 false alarms per hour and query
    sounds = [(float(start), start + 1.0) for start in range(20, 500, 40)]
    clip = replace(recording(600.0, *sounds), queried_labels=(0, 1, 2))
    labels = ("0.3", "0.6", "0.9")
    tuning_set = EvaluationSet("tuning", (clip,), labels, tuple((label,) for label in labels))
    localizer = FakeLocalizer()
    choice = choose_default(localizer, tuning_set, localizer.postprocessing)
    assert (
        choice.postprocessing.threshold == 0.9
    )  # the first two stay below it, and the third reaches but not exceeds it
    assert choice.postprocessing.threshold_off == 0.9
    localizer.postprocessing = choice.postprocessing
    assert measure(localizer, tuning_set)["figures"]["alarms_per_hour"]["value"] == 0.0


def test_a_folder_without_a_pack_is_refused_with_a_message(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no default threshold can be chosen on .*clips.csv"):
        main(["--bundle", str(tiny_bundle), "--data", str(tmp_path)])
