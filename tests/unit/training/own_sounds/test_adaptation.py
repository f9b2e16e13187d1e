import numpy as np
import pytest

from tests.unit.training.own_sounds.synthetic_scenes import MANIFEST, START, other_scenes, sound_scenes
from training.own_sounds.adaptation import SHARES, choose_share, learn
from training.own_sounds.detections import detections
from training.own_sounds.learning import LearntQuery


def test_what_is_measured_on_left_out_recordings_holds_for_new_ones() -> None:
    others = other_scenes(200)
    share, left_out = choose_share(sound_scenes(), others, START, MANIFEST)
    assert share in SHARES
    (learnt,) = learn(sound_scenes(), others, START, MANIFEST, [share])
    new = detections(learnt, sound_scenes(seed=7), other_scenes(400, seed=8), MANIFEST)
    assert left_out.found > 0.9
    assert new.found == pytest.approx(left_out.found, abs=0.1)
    assert left_out.alarms_per_hour < 50
    assert new.alarms_per_hour < 50


def test_a_query_that_is_right_already_is_kept_for_the_larger_part_when_recordings_mislead() -> None:
    right = LearntQuery(np.eye(8, dtype=np.float32)[0])
    scenes = sound_scenes(3)
    rng = np.random.default_rng(0)
    for number in range(
        3
    ):  # each recording has its own strong hum in another channel, which learning takes for the sound
        hum = 0.8 * np.eye(8)[[4, 5, 6][number]] + 0.05 * rng.standard_normal(8)
        chosen = scenes.recording == number
        moved = scenes.frames[chosen] + hum.astype(np.float32) * scenes.active[chosen][..., None]
        scenes.frames[chosen] = moved / np.linalg.norm(moved, axis=-1, keepdims=True)
    share, _ = choose_share(scenes, other_scenes(100), right, MANIFEST)
    assert share > 0
