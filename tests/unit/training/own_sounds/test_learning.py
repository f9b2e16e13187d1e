from dataclasses import replace

import numpy as np
import pytest

from tests.unit.training.own_sounds.synthetic_scenes import MANIFEST, START, other_scenes, sound_scenes
from training.own_sounds.learning import LearntQuery, blended, constant_direction, examples, learn_query, shifted


@pytest.mark.parametrize("sigmoid", [None, np.array([1.0, 0.0], np.float32)])
def test_the_learnt_query_separates_the_sound_from_other_sounds_and_from_pauses(sigmoid: np.ndarray | None) -> None:
    scenes, others = sound_scenes(), other_scenes()
    start = replace(START, sigmoid=sigmoid)
    learnt = learn_query(scenes, others.frames, start, MANIFEST)
    assert np.linalg.norm(learnt.embedding) == pytest.approx(1, abs=1e-5)
    evidence = learnt.evidence(scenes.frames)
    threshold = np.quantile(learnt.evidence(others.frames), 0.99)
    assert (evidence[scenes.active] > threshold).mean() > 0.95
    assert (evidence[~scenes.active] > threshold).mean() < 0.05
    assert (
        start.evidence(scenes.frames)[scenes.active] > np.quantile(start.evidence(others.frames), 0.999)
    ).mean() < 0.05


def test_recordings_weigh_the_same_however_long_their_sound_is() -> None:
    scenes = sound_scenes(2)
    scenes.active[:2] = False
    scenes.active[:2, 10] = True  # 2 active frames of recording 0, 40 of recording 1
    _, targets, weights = examples(scenes, other_scenes(10).frames)
    own = weights[: scenes.active.size].numpy().reshape(scenes.active.shape)
    assert own[:2][scenes.active[:2]].sum() == pytest.approx(0.5, rel=1e-4)
    assert own[2:][scenes.active[2:]].sum() == pytest.approx(0.5, rel=1e-4)
    assert own[~scenes.active].sum() == pytest.approx(0.5, rel=1e-4)
    assert weights[scenes.active.size :].sum().item() == pytest.approx(2.0, rel=1e-4)
    assert targets.sum().item() == scenes.active.sum()


def test_the_constant_channel_is_found_and_a_shift_along_it_moves_all_similarities_alike() -> None:
    frames = other_scenes().frames
    direction = constant_direction(frames)
    assert direction[7] == pytest.approx(1, abs=1e-3)
    query = LearntQuery(np.eye(8, dtype=np.float32)[0])
    moved = shifted(query, 0.75, direction)
    assert np.linalg.norm(moved.embedding) == pytest.approx(1, abs=1e-6)
    expected = (query.evidence(frames) + 0.75 * np.sqrt(0.5)) / np.sqrt(1 + 0.75**2)
    assert np.allclose(moved.evidence(frames), expected, atol=2e-3)


def test_a_query_with_a_sigmoid_is_shifted_by_its_bias() -> None:
    query = LearntQuery(np.eye(8, dtype=np.float32)[0], np.array([10.0, -3.0], np.float32))
    moved = shifted(query, 0.5, np.eye(8, dtype=np.float32)[7])
    assert np.array_equal(moved.embedding, query.embedding)
    assert moved.sigmoid is not None
    assert moved.sigmoid.tolist() == [10.0, 2.0]


def test_a_blend_lies_between_both_queries() -> None:
    eye = np.eye(8, dtype=np.float32)
    first, second = (
        LearntQuery(eye[0], np.array([10, 0], np.float32)),
        LearntQuery(eye[1], np.array([20, 0], np.float32)),
    )
    half = blended(first, second, 0.5)
    assert np.allclose(half.embedding[:2], np.sqrt(0.5))
    assert half.sigmoid is not None
    assert half.sigmoid[0] == 15
    assert np.array_equal(blended(first, second, 0.0).embedding, first.embedding)
