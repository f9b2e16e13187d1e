from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny_pack import LABELS
from tests.word_encoder import WordEncoder
from training.data.config import DataConfig
from training.data.pack import AudioStore, read_pack_table
from training.synthesis.scene import SceneRecipe
from training.synthesis.scene_source import SceneRecordings, SceneSource, label_weights
from training.synthesis.teacher import TeacherScores
from training.synthesis.vocabulary import build_vocabulary
from training.synthesis.world_recipe import WorldRecipe

ENCODER: Any = WordEncoder(*LABELS)
SCENES = SceneRecipe(scene_s=1.92, max_event_s=1.0, ambience_rate=1.0, silence_rate=0.0, augmentation=None)


@pytest.fixture(scope="module")
def recordings(tiny_pack: Path) -> SceneRecordings:
    rows = [r for r in read_pack_table(tiny_pack) if r.split == "train"]
    return SceneRecordings(rows, AudioStore.decode(rows, 16_000), build_vocabulary(rows, {}, [], None, ENCODER))


def certain_teacher(store: AudioStore) -> TeacherScores:
    """A teacher with one class, whose score is 1 in all frames."""
    n_frames = [-(-len(samples) // 1280) for samples in store]
    offsets = np.cumsum([0, *n_frames])
    return TeacherScores(np.full((offsets[-1], 1), 255, np.uint8), np.zeros((offsets[-1], 1024), np.float16), offsets)


@pytest.mark.parametrize(("exponent", "weights"), [(1.0, [1, 1, 1]), (0.0, [0.5, 0.5, 1]), (2.0, [2, 2, 1])])
def test_a_label_is_drawn_in_proportion_to_a_power_of_its_number_of_items(
    exponent: float, weights: list[float]
) -> None:
    assert label_weights(np.array([0, 0, 1]), exponent).tolist() == weights


def test_every_recording_has_the_index_of_its_label(recordings: SceneRecordings) -> None:
    labels = [recordings.vocabulary.labels[i] for i in recordings.labels]
    assert labels == [r.label for r in recordings.recordings]


def test_ambiences_are_recordings_of_the_labels_that_the_recipe_names(recordings: SceneRecordings) -> None:
    source = SceneSource(recordings, DataConfig(ambiences=("hiss",)), SCENES, 640, seed=0)
    batch = source.batches(6, 1)[0]
    assert batch.ambience.tolist() == [recordings.vocabulary.index()["hiss"]] * 6


def test_without_ambiences_there_are_none(recordings: SceneRecordings) -> None:
    assert SceneSource(recordings, DataConfig(), SCENES, 640, seed=0).batches(3, 1)[0].ambience.tolist() == [-1] * 3


def test_different_scenes_come_again(recordings: SceneRecordings) -> None:
    first, second = SceneSource(recordings, DataConfig(different=3), SCENES, 640, seed=0).batches(3, 2)
    assert torch.equal(first.waveform, second.waveform)


def test_another_seed_gives_other_scenes(recordings: SceneRecordings) -> None:
    one, other = (SceneSource(recordings, DataConfig(), SCENES, 640, seed).batches(1, 1)[0] for seed in (0, 1))
    assert not torch.equal(one.waveform, other.waveform)


def test_the_teacher_scores_the_events_and_doubts_what_the_ambience_may_contain(recordings: SceneRecordings) -> None:
    taught = replace(recordings, teacher=certain_teacher(recordings.store))
    batch = SceneSource(taught, DataConfig(ambiences=("hiss",)), SCENES, 640, seed=0).batches(4, 1)[0]
    assert batch.teacher.shape == (4, 24, 1)  # 1.92 s in frames of 80 ms
    heard = batch.event_active.amax(dim=1).unflatten(1, (-1, 2)).amin(dim=2) > 0  # both frames of a pair are active
    silent = batch.event_active.amax(dim=1).unflatten(1, (-1, 2)).amax(dim=2) == 0
    assert (batch.teacher[..., 0][heard] == 1).all()
    assert (batch.teacher[..., 0][silent] == 0).all()
    assert batch.teacher_unknown.all()


def test_scenes_like_the_world_caption_their_ambience_and_know_the_teachers_scores_of_it(
    recordings: SceneRecordings,
) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 48_000).astype(np.int16)  # 3 s, steady
    store = AudioStore(np.tile(noise, len(LABELS)), np.arange(len(LABELS) + 1) * 48_000, 16_000)
    rows = [next(r for r in recordings.recordings if r.label == label) for label in LABELS]
    taught = SceneRecordings(rows, store, recordings.vocabulary, certain_teacher(store))
    world = WorldRecipe(
        plain_rate=0.0, empty_rate=1.0, sparse_rate=0.0, ambience_rate=1.0, partial_rate=0.0, clean_rate=0.0
    )
    data = DataConfig(ambiences=("hiss",))
    batch = SceneSource(taught, data, replace(SCENES, world=world), 640, seed=0).batches(4, 1)[0]
    assert batch.labels.tolist() == [[taught.vocabulary.index()["hiss"]]] * 4
    assert (batch.event_active == 1).all()
    assert (batch.teacher == 1).all()
    assert not batch.teacher_unknown.any()
    assert {event.end_frame - event.first_frame for event in batch.events} == {48}


def test_without_a_teacher_there_are_no_classes(recordings: SceneRecordings) -> None:
    batch = SceneSource(recordings, DataConfig(), SCENES, 640, seed=0).batches(2, 1)[0]
    assert (batch.teacher.shape, batch.teacher_unknown.shape) == ((2, 24, 0), (2, 0))
