import numpy as np
import pytest

from tests.unit.training.own_sounds.synthetic_scenes import MANIFEST, START, other_scenes, sound_scenes
from training.own_sounds.detections import (
    ALARMS_PER_HOUR,
    OtherSounds,
    alarms_per_hour,
    detections,
    found,
    heard_share,
    with_few_alarms,
)
from training.own_sounds.learning import LearntQuery, learn_query

SOUND = LearntQuery(np.eye(8, dtype=np.float32)[0])


def test_segments_without_the_sound_are_counted_per_hour() -> None:
    frames = np.zeros((3, 100, 8), np.float32)
    frames[0, 10:30, 0] = frames[0, 60:80, 0] = frames[2, 0:30, 0] = 1.0  # 3 segments in 300 frames
    hours = 300 * MANIFEST.grid.hop_s / 3600
    assert alarms_per_hour(SOUND, OtherSounds(frames, 1), MANIFEST) == pytest.approx(3 / hours)
    assert alarms_per_hour(SOUND, OtherSounds(frames, 4), MANIFEST) == pytest.approx(3 / hours / 4)


def test_found_counts_events_and_the_heard_share_counts_frames() -> None:
    scenes = sound_scenes(2)
    scenes.frames[:] = 0
    scenes.frames[:, 15:30, 0] = 1.0  # three quarters of each event
    scenes.frames[0] = 0  # one of four events is missed
    assert found(SOUND, scenes, MANIFEST) == 0.75
    assert heard_share(SOUND, scenes, MANIFEST) == pytest.approx((0.375 + 0.75) / 2)


@pytest.mark.parametrize("sigmoid", [None, np.array([1.0, 0.0], np.float32)])
def test_a_shifted_query_has_the_accepted_rate_of_false_alarms(sigmoid: np.ndarray | None) -> None:
    others = other_scenes(3000)
    query = with_few_alarms(LearntQuery(SOUND.embedding, sigmoid), others, MANIFEST)
    assert alarms_per_hour(query, others, MANIFEST) == pytest.approx(ALARMS_PER_HOUR, abs=3.5)


def test_learning_finds_the_sound_with_few_false_alarms() -> None:
    scenes, others = sound_scenes(), other_scenes(1000)
    before = detections(with_few_alarms(START, others, MANIFEST), scenes, others, MANIFEST)
    learnt = with_few_alarms(learn_query(scenes, others.frames, START, MANIFEST), others, MANIFEST)
    after = detections(learnt, scenes, others, MANIFEST)
    assert before.found < 0.2 < 0.95 < after.found
    assert after.alarms_per_hour < 2 * ALARMS_PER_HOUR
