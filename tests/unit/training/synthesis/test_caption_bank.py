from typing import Any

import torch

from tests.word_encoder import WordEncoder
from training.synthesis.caption_bank import CaptionBank

ENCODER: Any = WordEncoder("dog", "puppy", "rain", "vehicle")


def test_a_bank_keeps_the_captions_of_each_subject_together() -> None:
    bank = CaptionBank.encode([["dog", "rain"], ["puppy"]], ENCODER)
    assert len(bank) == 2
    assert bank.of_subjects() == [("dog", "rain"), ("puppy",)]
    assert bank.rows == {"dog": 0, "rain": 1, "puppy": 2}
    assert bank.sentences.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]


def test_the_mean_caption_of_a_subject_has_unit_norm() -> None:
    means = CaptionBank.encode([["dog", "rain"], ["puppy"]], ENCODER).means()
    half = 0.5**0.5
    torch.testing.assert_close(means, torch.tensor([[half, 0, half, 0], [0, 1, 0, 0]]))


def test_every_caption_of_a_subject_is_drawn_and_no_other() -> None:
    bank = CaptionBank.encode([["dog", "rain"], ["puppy"]], ENCODER)
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([bank.sample(generator) for _ in range(50)])  # (50, 2, 4)
    assert {int(row.argmax()) for row in draws[:, 0]} == {0, 2}
    assert {int(row.argmax()) for row in draws[:, 1]} == {1}
