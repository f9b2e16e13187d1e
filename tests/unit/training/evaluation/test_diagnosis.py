from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tests.unit.training.evaluation.fake_localizer import FakeLocalizer, fake_set
from tests.unit.training.evaluation.hand_worked import BOTH, CAT_AT_2_TO_6, LABELS, query
from training.evaluation.diagnosis import (
    main,
    probability_higher,
    psds1_macro,
    rankings,
    reported_edges,
    scored,
    without_absent_labels,
)
from training.evaluation.localizers import BundleLocalizer
from training.evaluation.scored_queries import ScoredQueries


def test_rankings_of_a_hand_worked_clip() -> None:
    cat = query(0, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.1, 0.1], BOTH)
    probabilities = rankings(ScoredQueries(LABELS, (cat,), 1))
    assert probabilities["frame_other_sound"] == 0.0  # 0.5 against 0.9
    assert probabilities["frame_background"] == pytest.approx((2 + 3 * 0.5) / 5)  # two frames below, three ties
    assert probabilities["frame"] == pytest.approx((2 + 3 * 0.5) / 6)
    assert "caption" not in probabilities  # no label is absent


def test_a_caption_is_ranked_against_those_of_absent_labels() -> None:
    cat = query(0, [0, 0, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0], CAT_AT_2_TO_6)
    dog = query(1, [1, 1, 0.4, 0.6, 0.5, 0.1, 1, 1, 1, 1], CAT_AT_2_TO_6)
    assert rankings(ScoredQueries(LABELS, (cat, dog), 1))["caption"] == pytest.approx(2.5 / 4)


def test_the_probability_of_equal_values_is_one_half() -> None:
    assert probability_higher(np.ones(3), np.ones(2)) == 0.5


def test_scores_of_absent_labels_no_longer_count() -> None:
    cat = query(0, [0, 0, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0], CAT_AT_2_TO_6)
    elsewhere = query(0, [0.9] * 10, [("dog", 0.0, 10.0)], clip=1)
    queries = ScoredQueries(("cat",), (cat, elsewhere), 2)
    assert psds1_macro(queries) < 1.0
    assert psds1_macro(without_absent_labels(queries)) == 1.0


def test_the_localizer_keeps_its_post_processing_even_if_a_clip_cannot_be_scored() -> None:
    localizer, scenes = FakeLocalizer(), fake_set("0.9", "not a number")
    default = localizer.postprocessing
    with pytest.raises(ValueError, match="could not convert string to float"):
        scored(cast(BundleLocalizer, localizer), scenes, 0.0, 0.5)
    assert localizer.postprocessing == default


def test_reported_edges_are_the_mean_of_all_passes() -> None:
    localizer, scenes = FakeLocalizer(), fake_set("0.9", "0.02")  # 0.02 is also the score of silence
    twice = replace(scenes, queries=(("0.9", "0.9"), ("0.02", "0.9")))
    assert reported_edges(cast(BundleLocalizer, localizer), scenes) == {"0.2 to 0.5 s": 0.5, "all": 0.5}
    assert reported_edges(cast(BundleLocalizer, localizer), twice) == {"0.2 to 0.5 s": 0.75, "all": 0.75}


def test_a_folder_without_a_pack_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="cannot be diagnosed"):
        main(["--checkpoint", str(tmp_path / "none.pt"), "--data", str(tmp_path)])
