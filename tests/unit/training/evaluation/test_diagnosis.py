from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tests.unit.training.evaluation.fake_localizer import FakeLocalizer, fake_set
from training.evaluation.diagnosis import (
    edges_by_duration,
    has_right_edges,
    main,
    probability_higher,
    psds1_macro,
    rankings,
    scored,
    without_absent_labels,
)
from training.evaluation.localizers import BundleLocalizer
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, events_by_label

LABELS = ("cat", "dog")
EDGES_S = np.arange(11.0)  # ten frames of 1 s


def query(label: int, curve: list[float], events: list[tuple[str, float, float]], clip: int = 0) -> ScoredQuery:
    return ScoredQuery(clip, label, np.array(curve), EDGES_S, events_by_label(LABELS, events, 10.0))


CAT_AT_2_TO_6 = [("cat", 2.0, 6.0)]
BOTH = [("cat", 2.0, 6.0), ("dog", 7.0, 8.0)]


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
    assert edges_by_duration(ScoredQueries(LABELS, (heard, missed), 1)) == {"1 to 2 s": 0.0, "2 to 5 s": 1.0}


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


def test_a_folder_without_a_pack_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="cannot be diagnosed"):
        main(["--checkpoint", str(tmp_path / "none.pt"), "--data", str(tmp_path)])
