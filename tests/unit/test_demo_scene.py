import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.demo import make_scene, speech
from tests.demo.make_scene import LAYOUT, SCENE_S
from tests.demo.sounds import RATE_HZ
from training.synthesis.truth import BLOCK_S, active_blocks, runs

FOLDER = Path(make_scene.__file__).parent
PROCEDURAL = [number for number, placement in enumerate(LAYOUT) if placement.make is not None]


def test_the_committed_truth_is_the_layout() -> None:
    assert json.loads((FOLDER / "truth.json").read_text(encoding="utf-8")) == make_scene.truth()


def test_the_committed_recording_is_mono_at_16_khz_and_as_long_as_the_layout_says() -> None:
    info = soundfile.info(FOLDER / "scene.flac")
    assert (info.samplerate, info.channels, info.frames) == (16_000, 1, round(SCENE_S * RATE_HZ))
    assert (FOLDER / "scene.flac").stat().st_size < 1_500_000


def test_the_layout_holds_six_different_sounds_inside_the_recording_in_order() -> None:
    assert len({placement.query for placement in LAYOUT}) >= 6
    assert all(0 <= p.onset_s < p.offset_s <= SCENE_S for p in LAYOUT)
    assert all(before.onset_s < after.onset_s for before, after in pairwise(LAYOUT))


@pytest.mark.parametrize("number", PROCEDURAL)
def test_a_sound_is_heard_from_its_onset_to_its_offset(number: int) -> None:
    active = runs(active_blocks(make_scene.procedural(number).astype(np.float32), RATE_HZ))
    assert len(active) == 1
    heard_s = np.array(active[0]) * BLOCK_S
    assert heard_s == pytest.approx([0.0, LAYOUT[number].duration_s], abs=0.05)


@pytest.mark.parametrize("number", PROCEDURAL)
def test_a_sound_is_the_same_every_time(number: int) -> None:
    np.testing.assert_array_equal(make_scene.procedural(number), make_scene.procedural(number))


def test_outside_the_speech_the_committed_recording_is_what_the_script_makes() -> None:
    made = make_scene.make_scene(speech=lambda duration_s: np.ones(round(duration_s * RATE_HZ)))
    committed, _ = soundfile.read(FOLDER / "scene.flac")
    (spoken,) = (placement for placement in LAYOUT if placement.make is None)
    time = np.arange(len(made)) / RATE_HZ
    compared = (time < spoken.onset_s) | (time > spoken.offset_s + 0.1)
    assert np.abs(made).max(where=compared, initial=0.0) < 1.0
    np.testing.assert_allclose(committed[compared], made[compared], atol=1e-4)


def test_without_espeak_ng_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="apt-get install espeak-ng"):
        speech.speak("hello", voice="en-us", words_per_minute=150, pitch=45)
