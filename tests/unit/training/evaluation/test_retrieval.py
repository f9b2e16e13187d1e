import numpy as np
import pytest

from training.evaluation.retrieval import relevance, retrieval

CAPTIONS = ("a dog", "a cat", "rain")
RECORDING_CAPTIONS = (("a dog", "a cat"), ("rain",))
SCORES = np.array([[0.9, 0.1, 0.8], [0.2, 0.3, 0.7]])  # the cat scores highest in the rain's recording


def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
    return retrieval(SCORES, relevance(RECORDING_CAPTIONS, CAPTIONS), weights)


def test_recall_and_average_precision_by_hand() -> None:
    values = {name: float(of_figure[0]) for name, of_figure in figures(np.ones((2, 1))).items()}
    assert values["text_to_audio_r1"] == pytest.approx(1 / 3)  # only the dog's recording ranks first
    assert values["text_to_audio_r5"] == 1.0
    assert values["text_to_audio_map10"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert values["audio_to_text_r1"] == 1.0
    assert values["audio_to_text_map10"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)  # the cat ranks third


def test_a_caption_counts_as_often_as_its_recording() -> None:
    recall = figures(np.array([[1.0, 0.0, 2.0], [1.0, 2.0, 0.0]]))["text_to_audio_r1"]
    assert recall == pytest.approx([1 / 3, 0.0, 1 / 2])


def test_a_caption_of_two_recordings_is_relevant_to_both() -> None:
    relevant = relevance((("rain",), ("rain",)), ("rain",))
    values = retrieval(np.array([[0.1], [0.9]]), relevant, np.ones((2, 1)))
    assert values["text_to_audio_r1"] == values["audio_to_text_r1"] == 1.0
