from pathlib import Path
from typing import Any

import pytest
import torch

from tests.word_encoder import WordEncoder
from training.data.captions import NEGATIVE, POSITIVE, UNKNOWN, LabelCaptions
from training.data.config import AbsentConfig
from training.synthesis.absent import AbsentCaptions, AbsentDraw, build_absent, may_be_true
from training.synthesis.caption_bank import CaptionBank

ENCODER: Any = WordEncoder("dog", "barks", "puppy", "rain", "siren", "growls")
ENTRIES = [
    LabelCaptions("dog", ("dog barks", "barks")),
    LabelCaptions("puppy", ("puppy",)),
    LabelCaptions("rain", ("rain",)),
]
RELATION = torch.tensor(
    [[POSITIVE, UNKNOWN, NEGATIVE], [POSITIVE, POSITIVE, NEGATIVE], [NEGATIVE, NEGATIVE, POSITIVE]], dtype=torch.int8
)


@pytest.fixture
def bank() -> CaptionBank:
    return CaptionBank.encode([entry.captions for entry in ENTRIES], ENCODER)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    file = tmp_path / "captions.csv"
    file.write_text("split,caption\ntrain,a siren\ntrain,rain and a siren\ntest,a puppy\n", encoding="utf-8")
    return file


def test_a_caption_may_be_true_of_similar_labels_and_of_those_that_apply_to_their_recordings(bank: CaptionBank) -> None:
    texts = ["a siren", "puppy", "dog barks", "rain siren siren siren"]
    may_be = may_be_true(texts, ENCODER.encode(texts), bank, RELATION, ENTRIES)
    assert may_be.tolist() == [
        [False, False, False],
        [True, True, False],  # a recording of a dog may be one of a puppy
        [True, True, False],
        [False, False, True],  # hardly similar, but with the word that names rain
    ]


def test_nothing_is_absent_unless_the_recipe_says_so(bank: CaptionBank, captions: Path) -> None:
    for config in (AbsentConfig(), AbsentConfig(captions=captions), AbsentConfig(per_step=2)):
        assert build_absent(config, bank, RELATION, ENTRIES, ENCODER) is None


def test_real_captions_of_the_split_train_are_absent(bank: CaptionBank, captions: Path) -> None:
    absent = build_absent(AbsentConfig(captions, per_step=2), bank, RELATION, ENTRIES, ENCODER)
    assert absent is not None
    (kind,) = absent.kinds
    assert kind.sentences[:, 4].gt(0).tolist() == [True, True]
    assert kind.may_be.tolist() == [[False, False, False], [False, False, True]]
    (fewer,) = build_absent(AbsentConfig(captions, 1, per_step=2), bank, RELATION, ENTRIES, ENCODER).kinds  # pyright: ignore
    assert len(fewer.sentences) == 1


def test_a_caption_that_differs_in_one_word_is_false_of_its_label(bank: CaptionBank) -> None:
    absent = build_absent(AbsentConfig(one_word=True, per_step=2), bank, RELATION, ENTRIES, ENCODER)
    assert absent is not None
    (kind,) = absent.kinds
    growls = kind.sentences[:, 5] > 0
    assert growls.any()
    assert not kind.may_be[growls, 0].any()
    assert kind.may_be[growls, 1].any()  # "dog growls" may be true of a puppy


def test_a_step_draws_as_many_captions_of_each_kind() -> None:
    kinds = tuple(AbsentDraw(torch.full((n, 2), float(n)), torch.zeros(n, 3, dtype=torch.bool)) for n in (1, 5))
    drawn = AbsentCaptions(kinds, 4).sample(torch.Generator().manual_seed(0))
    assert drawn.sentences[:, 0].tolist() == [1.0] * 4 + [5.0] * 4
    assert drawn.may_be.shape == (8, 3)
