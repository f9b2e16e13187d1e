from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tests.word_encoder import WordEncoder
from training.data.config import DataConfig
from training.data.pack import AudioStore, Recording
from training.losses.weights import LossWeights
from training.model import LanguageAudioModel
from training.synthesis.scene import SceneRecipe
from training.synthesis.scene_source import SceneRecordings, SceneSource
from training.synthesis.teacher import TeacherScores
from training.synthesis.vocabulary import build_vocabulary
from training.synthesis.warm_start import active_frames, warm_start
from training.towers.compact import CompactConfig
from training.towers.text import TextTowerConfig

ENCODER: Any = WordEncoder("dog", "rain")
FRAME = 1280  # samples of one frame of the teacher, 80 ms
LOUD, SILENT = np.full(FRAME, 16_000, dtype=np.int16), np.zeros(FRAME, dtype=np.int16)
STORE = AudioStore(np.concatenate([LOUD, SILENT, SILENT, LOUD]), np.array([0, 2 * FRAME, 4 * FRAME]), 16_000)


def teacher() -> TeacherScores:
    """Two recordings of 2 frames, whose features differ; the teacher has no classes."""
    features = np.zeros((4, 1024), dtype=np.float16)
    features[:2, 0] = features[2:, 1] = 10.0
    return TeacherScores(np.zeros((4, 0), dtype=np.uint8), features, np.array([0, 2, 4]))


def make_source(seed: int = 0) -> SceneSource:
    recordings = [Recording(Path(f"{label}.wav"), label, "train") for label in ("dog", "rain")]
    vocabulary = build_vocabulary(recordings, {}, [], None, ENCODER)
    known = SceneRecordings(recordings, STORE, vocabulary, teacher())
    return SceneSource(known, DataConfig(), SceneRecipe(), hop_samples=640, seed=seed)


def make_model() -> LanguageAudioModel:
    torch.manual_seed(0)
    config: Any = SimpleNamespace(
        audio=CompactConfig(dimension=8, head_channels=16, head_blocks=0), text=TextTowerConfig(hidden=8), centred=False
    )
    return LanguageAudioModel(config, ENCODER)


def trained(seed: int = 0, steps: int = 30) -> LanguageAudioModel:
    model = make_model()
    torch.manual_seed(1)
    warm_start(model, make_source(seed), LossWeights(), steps, torch.device("cpu"))
    return model


def similarities(model: LanguageAudioModel) -> torch.Tensor:
    """Cosines of a frame of each recording with the caption of each label: (2, 2)."""
    model.eval()
    with torch.inference_mode():
        features = torch.from_numpy(teacher().features[[0, 3]].astype(np.float32))
        frames = model.audio.embed_patch_steps(features)  # pyright: ignore - the tower is compact
        return frames @ model.projection(ENCODER.encode(["dog", "rain"])).T


def test_only_frames_in_which_a_recording_is_active_are_trained_on() -> None:
    frames, recording = active_frames(STORE, teacher())
    assert frames.tolist() == [0, 3]
    assert recording.tolist() == [0, 1]


def test_frames_are_nearer_to_the_caption_of_their_label_afterwards() -> None:
    similarity = similarities(trained())
    assert float(similarity.diag().min()) > float(similarity.flip(1).diag().max()) + 0.5


def test_only_the_maps_into_the_shared_space_and_the_sigmoid_change() -> None:
    before, after = make_model().state_dict(), trained(steps=2).state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    maps = ("audio.from_trunk.", "audio.norm.", "audio.output.", "projection.", "log_scale", "bias")
    assert changed
    assert all(name.startswith(maps) for name in changed)
    assert {"audio.from_trunk.weight", "projection.linear.weight", "log_scale"} <= changed


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, other = (trained(seed, steps=2).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())
