import numpy as np
import pytest

from training.evaluation.retrieval import relevance, retrieval

CAPTIONS = ("a dog", "a cat", "rain")
OWN = (("a dog", "a cat"), ("rain",))
SCORES = np.array([[0.9, 0.1, 0.8], [0.2, 0.3, 0.7]])  # the cat is heard best in the rain, the rain best with the dog


def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
    return retrieval(SCORES, relevance(OWN, CAPTIONS), weights)


def test_recordings_and_captions_are_found_by_one_another() -> None:
    found = {name: float(values[0]) for name, values in figures(np.ones((2, 1))).items()}
    assert found["text_to_audio_r1"] == pytest.approx(1 / 3)  # of the dog, the cat and the rain, the dog
    assert found["text_to_audio_r5"] == 1.0
    assert found["text_to_audio_map10"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert found["audio_to_text_r1"] == 1.0
    assert found["audio_to_text_map10"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)  # the cat comes third


def test_captions_count_as_often_as_their_recording() -> None:
    found = figures(np.array([[1.0, 0.0, 2.0], [1.0, 2.0, 0.0]]))["text_to_audio_r1"]
    assert found == pytest.approx([1 / 3, 0.0, 1 / 2])


def test_a_caption_of_two_recordings_is_right_with_either() -> None:
    relevant = relevance((("rain",), ("rain",)), ("rain",))
    found = retrieval(np.array([[0.1], [0.9]]), relevant, np.ones((2, 1)))
    assert found["text_to_audio_r1"] == found["audio_to_text_r1"] == 1.0
