from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from training.data.pack import AudioStore
from training.synthesis.mobilenet_teacher import (
    REACH_STEPS,
    WEIGHTS,
    WIDTH,
    averaged,
    classify,
    score_with_mobilenet,
)
from training.towers.pyramid import MobileNetTrunk


@pytest.fixture(scope="module")
def random_mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random convolutions; its classifier gives class 0 the score 0.2 and class 1 a score that varies."""
    torch.manual_seed(0)
    weights = dict(MobileNetTrunk(WIDTH, 0.0).state_dict())
    channels = MobileNetTrunk(WIDTH, 0.0).channels[-1]
    weights |= {
        "classifier.2.weight": torch.randn(4, channels),
        "classifier.2.bias": torch.full((4,), 3.0),
        "classifier.5.weight": torch.stack([torch.zeros(4), torch.randn(4)]),
        "classifier.5.bias": torch.tensor([-1.3862944, 0.0]),  # sigmoid(log(1 / 4)) is 0.2
    }
    folder = tmp_path_factory.mktemp("mn04")
    save_file({name: value.detach().contiguous() for name, value in weights.items()}, folder / WEIGHTS)
    return folder


def test_every_recording_is_scored_in_frames_of_80_ms_whatever_its_loudness(random_mobilenet: Path) -> None:
    noise = np.random.default_rng(0).integers(-16_000, 16_000, 16_000)
    parts = [noise[:4_000], noise, noise // 4, np.tile(noise, 12)]
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    store = AudioStore(np.concatenate(parts).astype(np.int16), offsets, 16_000)
    teacher = score_with_mobilenet(store, random_mobilenet)
    assert teacher.offsets.tolist() == [0, 4, 20, 36, 188]  # steps of 320 ms: 1, 4, 4, and 38 in two pieces
    assert teacher.features.shape == (188, 384)
    assert (teacher.scores[:, 0] == 51).all()
    np.testing.assert_allclose(teacher.scores[4:20, 1].astype(int), teacher.scores[20:36, 1].astype(int), atol=3)


def test_steps_are_averaged_with_their_neighbours_but_not_with_padding() -> None:
    steps = torch.arange(40.0)[:, None]
    means = averaged(steps, 36)[:, 0]
    assert means[0] == REACH_STEPS / 2
    assert means[20] == 20
    assert means[35] == (35 + 35 - REACH_STEPS) / 2
    assert means[36:].tolist() == [float(means[35])] * 4


def test_the_classifier_has_a_hard_swish_between_its_layers() -> None:
    weights = {
        "classifier.2.weight": torch.eye(2),
        "classifier.2.bias": torch.zeros(2),
        "classifier.5.weight": torch.tensor([[1.0, 0.0]]),
        "classifier.5.bias": torch.zeros(1),
    }
    scores = classify(torch.tensor([[-4.0, 0.0], [4.0, 0.0]]), weights)  # hard swish: 0 and 4
    assert scores[:, 0].tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-4.0))])
