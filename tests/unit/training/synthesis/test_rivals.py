import numpy as np
import pytest
import torch
from torch.nn import functional as F

from training.data.captions import NEGATIVE, POSITIVE, UNKNOWN
from training.synthesis.caption_bank import CaptionBank
from training.synthesis.confusions import Confusions
from training.synthesis.rivals import Rivals, find_rivals
from training.synthesis.teacher import TeacherScores
from training.synthesis.vocabulary import Vocabulary

LABELS = ("dog", "wolf", "puppy", "rain", "hound")


@pytest.fixture
def vocabulary() -> Vocabulary:
    """A wolf is similar to a dog, rain is not; a puppy is a dog, and a hound is called almost like a dog."""
    sentences = F.normalize(torch.tensor([[1, 0, 0], [1, 1, 0], [1, 0.9, 0], [0.1, 0, 1], [1, 0.1, 0]]), dim=-1)
    bank = CaptionBank(LABELS, sentences, torch.arange(6))
    relation = torch.full((5, 5), NEGATIVE)
    relation.fill_diagonal_(POSITIVE)
    relation[2, 0], relation[0, 2] = POSITIVE, UNKNOWN
    return Vocabulary(LABELS, bank, relation, None, torch.zeros(5, 0, dtype=torch.bool))


def test_rivals_are_similar_but_neither_related_nor_synonyms(vocabulary: Vocabulary) -> None:
    rivals = find_rivals(vocabulary, np.arange(5))
    assert rivals.rivals[0].tolist() == [1, 3]  # no puppy, which is a dog, and no hound, which may be a synonym


def test_the_teacher_adds_rivals_that_sound_alike(vocabulary: Vocabulary) -> None:
    scores = np.array([[255, 0], [0, 255], [255, 0], [200, 10], [0, 255]], dtype=np.uint8)
    teacher = TeacherScores(scores, np.zeros((5, 1), np.float16), np.arange(6))
    rivals = find_rivals(vocabulary, np.arange(5), teacher)
    assert set(rivals.rivals[0].tolist()) == {1, 3}
    assert all(label not in rivals.rivals[label] for label in range(5))


def test_what_a_model_confuses_adds_rivals(vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.synthesis.rivals.RIVALS_PER_KIND", 1)
    similarity = np.zeros((5, 5), dtype=np.float32)
    similarity[0] = [0.9, 0.1, 0.8, 0.7, 0.9]  # rain is confused with a dog; a puppy and a hound may not be rivals
    rivals = find_rivals(vocabulary, np.arange(5), confusions=Confusions(LABELS, similarity))
    assert rivals.rivals[0].tolist() == [1, 3]
    assert find_rivals(vocabulary, np.arange(5)).rivals[0].tolist() == [1]


def test_a_rival_is_a_recording_of_a_rival_label() -> None:
    recordings = [np.array([0, 1]), np.array([2]), np.array([3])]
    rivals = Rivals(np.array([0, 0, 1, 2]), [np.array([2]), np.array([], dtype=np.int64)], recordings)
    rng = np.random.default_rng(0)
    assert {rivals.draw(rng, 1) for _ in range(5)} == {3}
    assert rivals.draw(rng, 2) is None
    assert {rivals.draw_same(rng, 0) for _ in range(20)} == {0, 1}
