from pathlib import Path

import numpy as np
import soundfile

from tests.clips import tones
from tests.tiny_bundle import DIMENSION, WINDOW_FRAMES
from training.own_sounds.encoders import BundleEncoders
from training.own_sounds.recordings import read_recordings
from training.own_sounds.scenes import N_SCENES, sound_scenes


def test_scenes_say_when_their_sound_is_heard_and_are_always_the_same(tiny_bundle: Path, tmp_path: Path) -> None:
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", tones([("high", 0.1, 0.4)], 0.5 + number / 10), 16_000)
    encoders = BundleEncoders.open(tiny_bundle, 1)
    recordings = read_recordings(tmp_path, 16_000)
    scenes = sound_scenes(recordings, encoders)
    n_scenes = 3 * -(-N_SCENES // 3)
    assert scenes.frames.shape == (n_scenes, WINDOW_FRAMES, DIMENSION)
    assert scenes.recording.tolist() == sorted(list(range(3)) * (n_scenes // 3))
    assert 0.2 < scenes.active.mean() < 0.8
    strengths = scenes.frames[..., :7].argmax(axis=-1) == 2  # channel 2 is the tone of 3 kHz
    assert strengths[scenes.active].mean() > 2 * strengths[~scenes.active].mean()
    assert np.array_equal(sound_scenes(recordings, encoders).frames, scenes.frames)
    second = scenes.of(np.array([1]))
    assert set(second.recording.tolist()) == {1}
    assert len(second.active) == len(second.frames) == n_scenes // 3
