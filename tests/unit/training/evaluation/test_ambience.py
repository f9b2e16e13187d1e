import numpy as np
import pytest

from training.data.pack import AudioStore, Recording
from training.evaluation.ambience import Ambiences, unrelated_labels


def store_of(*lengths: int) -> AudioStore:
    rng = np.random.default_rng(0)
    samples = [(rng.uniform(-1, 1, n) * 20_000 / (i + 1)).astype(np.int16) for i, n in enumerate(lengths)]
    return AudioStore(np.concatenate(samples), np.cumsum([0, *lengths]), 1000)


def recordings(*labels: str) -> list[Recording]:
    from pathlib import Path

    return [Recording(Path(f"{i}.wav"), label, "val") for i, label in enumerate(labels)]


def test_recordings_of_one_label_are_chained_at_equal_power() -> None:
    ambiences = Ambiences.of(recordings("rain", "dog", "rain", "wind"), store_of(5000, 5000, 7000, 300))
    assert ambiences.by_label == (("rain", (0, 2)), ("wind", (3,)))
    assert [ambiences.label(number) for number in range(3)] == ["rain", "wind", "rain"]
    for label in ("rain", "wind"):  # the only recording of wind is shorter than two crossfades
        background = ambiences.draw(np.random.default_rng(1), label, 60_000)
        assert background.shape == (60_000,)
        power = (background.reshape(-1, 1000) ** 2).mean(axis=1)
        assert power == pytest.approx(np.ones(60), abs=0.35)


def test_a_pack_without_ambiences_has_noise() -> None:
    ambiences = Ambiences.of(recordings("dog"), store_of(100))
    assert ambiences.label(0) is None
    noise = ambiences.draw(np.random.default_rng(1), None, 5000)
    assert float(np.mean(noise**2)) == pytest.approx(1.0, rel=1e-3)


def test_labels_that_may_describe_an_ambience_are_left_out() -> None:
    labels = ["rain", "rain heavy", "thunderstorm", "water", "dog", "wind"]
    assert unrelated_labels(labels, "rain") == {"dog"}
    assert unrelated_labels(labels, None) == set(labels)
