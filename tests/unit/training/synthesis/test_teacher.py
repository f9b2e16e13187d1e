import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from training.data.pack import AudioStore
from training.synthesis.scene import Event
from training.synthesis.teacher import TeacherScores, class_names, score_recordings
from training.towers.compact import SeparableBlock, Trunk

SCORES = TeacherScores(  # one class; the first recording has 2 frames, the second has 4
    scores=np.array([[0], [0], [51], [102], [153], [255]], dtype=np.uint8),
    features=np.zeros((6, 1024), dtype=np.float16),
    offsets=np.array([0, 2, 6]),
)
ACTIVE_160_MS = np.ones(8, dtype=bool)


def event(source_onset_s: float = 0.0, speed: float = 1.0, active: np.ndarray = ACTIVE_160_MS) -> Event:
    """An event of the second recording that starts 80 ms into the scene."""
    return Event(1, onset_s=0.08, snr_db=0.0, active=active, source_onset_s=source_onset_s, speed=speed)


def test_an_events_scores_are_those_of_its_recording_moved_to_its_onset() -> None:
    assert SCORES.of_event(event(), 4)[:, 0].tolist() == pytest.approx([0.0, 0.2, 0.4, 0.0])


def test_an_event_cut_from_the_middle_of_a_recording_has_the_scores_of_the_middle() -> None:
    assert SCORES.of_event(event(source_onset_s=0.16), 4)[:, 0].tolist() == pytest.approx([0.0, 0.6, 1.0, 0.0])


def test_an_event_played_at_double_speed_skips_every_other_frame() -> None:
    scores = SCORES.of_event(event(source_onset_s=0.04, speed=2.0), 4)
    assert scores[:, 0].tolist() == pytest.approx([0.0, 0.4, 1.0, 0.0])


def test_frames_past_the_end_of_a_recording_have_the_scores_of_its_last_frame() -> None:
    scores = SCORES.of_event(event(source_onset_s=0.24, active=np.ones(12, dtype=bool)), 4)
    assert scores[:, 0].tolist() == pytest.approx([0.0, 1.0, 1.0, 1.0])


def test_a_repeated_recording_has_the_scores_of_its_start_again() -> None:
    looped = Event(1, 0.08, 0.0, np.ones(12, dtype=bool), source_onset_s=0.24, loop_s=0.32)
    assert SCORES.of_event(looped, 4)[:, 0].tolist() == pytest.approx([0.0, 1.0, 0.2, 0.4])


def test_inactive_frames_have_no_score() -> None:
    active = np.array([True] * 4 + [False] * 4)
    assert SCORES.of_event(event(active=active), 4)[:, 0].tolist() == pytest.approx([0.0, 0.2, 0.0, 0.0])


def test_a_recording_is_scored_by_its_highest_frame() -> None:
    assert [float(SCORES.of_recording(i)[0]) for i in (0, 1)] == [0.0, 1.0]


def test_class_names_are_in_the_order_of_the_table(tmp_path: Path) -> None:
    table = 'index,mid,display_name\n0,/m/1,Speech\n1,/m/2,"Bark, dog"\n'
    (tmp_path / "yamnet_class_map.csv").write_text(table, encoding="utf-8")
    assert class_names(tmp_path / "yamnet_class_map.csv") == ["Speech", "Bark, dog"]


@pytest.fixture(scope="module")
def random_yamnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random convolutions; its classifier gives class 0 the score 0.2 and class 1 a score that varies."""
    torch.manual_seed(0)
    trunk = Trunk()
    layers = [trunk.stem]
    for block in trunk.blocks:
        assert isinstance(block, SeparableBlock)
        layers += [block.depthwise, block.pointwise]
    weights = {
        f"layer{i}.{name}": value for i, layer in enumerate(layers, 1) for name, value in layer.named_parameters()
    }
    weights["classifier.weight"] = torch.stack([torch.zeros(1024), torch.randn(1024)])
    weights["classifier.bias"] = torch.tensor([math.log(0.25), 0.0])  # sigmoid(log(1 / 4)) is 0.2
    folder = tmp_path_factory.mktemp("yamnet")
    save_file({name: value.detach().contiguous() for name, value in weights.items()}, folder / "yamnet.safetensors")
    return folder


def test_every_recording_is_scored_in_whole_patches_whatever_its_loudness(random_yamnet: Path) -> None:
    noise = np.random.default_rng(0).integers(-16_000, 16_000, 16_000)
    short, long, quiet = noise[:8_000], noise, noise // 4
    samples = np.concatenate([short, long, quiet]).astype(np.int16)
    store = AudioStore(samples, np.array([0, 8_000, 24_000, 40_000]), 16_000)
    teacher = score_recordings(store, random_yamnet)
    assert teacher.offsets.tolist() == [0, 12, 36, 60]  # 0.5 s is 1 patch of 12 frames, and 1 s is 2 patches
    assert (teacher.scores[:, 0] == 51).all()
    np.testing.assert_allclose(teacher.scores[12:36, 1].astype(int), teacher.scores[36:, 1].astype(int), atol=3)
    steps = teacher.features.reshape(-1, 4, 1024)  # a patch has 3 steps of 4 frames
    assert (steps == steps[:, :1]).all()
