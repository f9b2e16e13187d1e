from pathlib import Path

import numpy as np
import pytest

from training.data.pack import AudioStore, read_pack_table
from training.synthesis.scene import Event, Scene, SceneRecipe, SceneSynthesizer

RECIPE = SceneRecipe(scene_s=4.0, augmentation=None, silence_rate=0.0, ambience_rate=0.0)


@pytest.fixture(scope="module")
def store(tiny_pack: Path) -> AudioStore:
    return AudioStore.decode(read_pack_table(tiny_pack), 16_000)


def draw(store: AudioStore, recipe: SceneRecipe, seed: int, ambiences: tuple[int, ...] = ()) -> Scene:
    weights = np.ones(len(store))
    return SceneSynthesizer(store, recipe, weights, ambiences).draw(np.random.default_rng(seed))


@pytest.mark.parametrize("recipe", [RECIPE, SceneRecipe(scene_s=4.0)])
def test_the_same_seed_gives_the_same_scene(store: AudioStore, recipe: SceneRecipe) -> None:
    first, second = (draw(store, recipe, 5, (0, 1)) for _ in range(2))
    np.testing.assert_array_equal(first.waveform, second.waveform)
    assert [e.onset_s for e in first.events] == [e.onset_s for e in second.events]


@pytest.mark.parametrize("seed", range(20))
def test_scenes_have_their_length_range_and_number_of_events(store: AudioStore, seed: int) -> None:
    scene = draw(store, SceneRecipe(scene_s=4.0), seed, (0,))
    assert scene.waveform.shape == (64_000,)
    assert np.abs(scene.waveform).max() <= 1
    assert len(scene.events) <= 4
    assert all(0 <= e.onset_s < 4 and e.active.any() for e in scene.events)


def test_the_gain_is_the_active_power_over_the_background(store: AudioStore) -> None:
    recipe = SceneRecipe(scene_s=4.0, min_events=1, max_events=1, snr_db=(12.0, 12.0), level_db=(-6.0, -6.0),
                         ambience_rate=0.0, silence_rate=0.0, augmentation=None)  # fmt: skip
    scene = draw(store, recipe, 3)
    (event,) = scene.events
    frames = event.active_frames(100, 0.04)
    power = (scene.waveform.reshape(100, -1) ** 2).mean(axis=1)
    background = power[~frames].mean()
    assert 10 * np.log10(power[frames].mean() / background - 1) == pytest.approx(12, abs=1.5)


def test_a_silenced_end_holds_no_event(store: AudioStore) -> None:
    recipe = SceneRecipe(scene_s=4.0, silence_rate=1.0, augmentation=None)
    for seed in range(10):
        scene = draw(store, recipe, seed)
        last = np.flatnonzero(scene.waveform)[-1] / 16_000
        for event in scene.events:
            assert event.onset_s + 0.02 * (np.flatnonzero(event.active)[-1] + 1) <= last + 0.021


def test_a_frame_is_active_when_half_of_it_is() -> None:
    event = Event(recording=0, onset_s=0.02, snr_db=0.0, active=np.array([1, 1, 0, 1, 1], dtype=bool))
    np.testing.assert_array_equal(event.active_frames(4, 0.04), [True, True, True, False])
    sparse = Event(recording=0, onset_s=0.0, snr_db=0.0, active=np.array([1, 0, 0, 0], dtype=bool))
    np.testing.assert_array_equal(sparse.active_frames(2, 0.08), [False, False])
