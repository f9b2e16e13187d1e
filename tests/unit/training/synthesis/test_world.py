from dataclasses import fields, replace

import numpy as np
import pytest

from training.data.pack import AudioStore
from training.synthesis.channel import Channel
from training.synthesis.rivals import Rivals
from training.synthesis.scene import Scene, SceneRecipe
from training.synthesis.world import WorldSynthesizer
from training.synthesis.world_recipe import WorldRecipe

RATE_HZ = 16_000
UNCHANGED = replace(Channel(), **{f.name: 0.0 for f in fields(Channel) if f.name.endswith("_rate")})
WORLD = WorldRecipe(plain_rate=0.0, channel=UNCHANGED, event_low_pass_rate=0.0)
RECIPE = SceneRecipe(scene_s=6.0, silence_rate=0.0, augmentation=None, world=WORLD)
HUM, TICKS, TONE, RIVAL = range(4)


def noise(seconds: float, seed: int) -> np.ndarray:
    return 0.2 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))


@pytest.fixture(scope="module")
def store() -> AudioStore:
    """A steady hum, ticks of 80 ms every second, a tone of 2 s, and its rival."""
    ticks = noise(4.0, 1) * (np.arange(4 * RATE_HZ) % RATE_HZ < 1280)
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE_HZ) / RATE_HZ)
    parts = [noise(3.0, 0), ticks, 0.5 * tone, noise(1.5, 2)]
    samples = (32767 * np.concatenate(parts).clip(-1, 1)).astype(np.int16)
    return AudioStore(samples, np.cumsum([0, *(len(part) for part in parts)]), RATE_HZ)


def synthesizer(
    store: AudioStore, recipe: SceneRecipe = RECIPE, **world: float | tuple[float, float]
) -> WorldSynthesizer:
    assert recipe.world is not None
    recipe = replace(recipe, world=replace(recipe.world, **world))
    none = np.array([], dtype=np.int64)
    rivals = Rivals(np.arange(4), [none, none, np.array([RIVAL]), none], [np.array([i]) for i in range(4)])
    return WorldSynthesizer(store, recipe, np.array([0.0, 1.0, 1.0, 0.0]), [HUM, TICKS], rivals)


def scenes(draws: WorldSynthesizer, count: int = 30) -> list[Scene]:
    return [draws.draw(np.random.default_rng(seed)) for seed in range(count)]


def test_the_same_seed_gives_the_same_scene(store: AudioStore) -> None:
    recipe = SceneRecipe(scene_s=6.0, world=WorldRecipe())
    first, second = (scenes(synthesizer(store, recipe), 12) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.waveform, other.waveform)
        assert [(e.recording, e.onset_s) for e in one.events] == [(e.recording, e.onset_s) for e in other.events]


def test_scenes_have_their_length_and_range_and_events_lie_within_them(store: AudioStore) -> None:
    for scene in scenes(synthesizer(store, SceneRecipe(scene_s=6.0, world=WorldRecipe()))):
        assert scene.waveform.shape == (6 * RATE_HZ,)
        assert scene.waveform.dtype == np.float32
        assert np.abs(scene.waveform).max() <= 1
        for event in scene.events:
            assert event.active.any()
            assert event.onset_s + 0.02 * len(event.active) <= 6.0 + 1e-6


def test_an_event_is_heard_where_it_is_active_and_nowhere_else(store: AudioStore) -> None:
    loud = synthesizer(store, ambience_rate=0.0, clean_rate=1.0, clean_db=(60.0, 60.0), drift_db=0.0)
    checked = 0
    for scene in scenes(loud):
        active = np.zeros(300, dtype=bool)
        for event in scene.events:
            active[round(event.onset_s / 0.02) :][: len(event.active)] |= event.active
        power = (scene.waveform.reshape(300, -1) ** 2).mean(axis=1)
        if 0 < active.sum() < 300:
            assert power[~active].max() < 1e-2 * power[active].max()
            checked += 1
    assert checked > 10


def test_a_sparse_scene_has_one_event_and_an_empty_scene_none(store: AudioStore) -> None:
    sparse = scenes(synthesizer(store, sparse_rate=1.0, empty_rate=0.0, ambience_rate=0.0))
    counts = [len(scene.events) for scene in sparse]
    assert set(counts) <= {0, 1}
    assert sum(counts) > 20  # an event that is cut off by the end of the scene may be too short
    empty = scenes(synthesizer(store, sparse_rate=0.0, empty_rate=1.0, ambience_rate=0.0, silence_rate=0.5))
    assert not any(scene.events for scene in empty)
    silent = [not scene.waveform.any() for scene in empty]
    assert any(silent)
    assert not all(silent)


def test_a_captioned_ambience_is_an_event_over_its_extent(store: AudioStore) -> None:
    everywhere = synthesizer(
        store, ambience_rate=1.0, partial_rate=0.0, empty_rate=1.0, sparse_rate=0.0, clean_rate=0.0
    )
    for scene in scenes(everywhere, 5):
        (event,) = scene.events
        assert (scene.ambience, event.recording, scene.ambience_is_event) == (
            HUM,
            HUM,
            True,
        )  # the ticks are not steady
        assert event.active_frames(150, 0.04).all()
        assert event.loop_s > 0


def test_a_partial_ambience_is_heard_in_its_extent_only(store: AudioStore) -> None:
    partial = synthesizer(store, ambience_rate=1.0, partial_rate=1.0, empty_rate=1.0, sparse_rate=0.0, clean_rate=0.0)
    events = [scene.events[0] for scene in scenes(partial)]
    assert all(event.active.all() and len(event.active) < 300 for event in events)
    assert any(event.onset_s == 0 for event in events)
    assert any(event.onset_s > 1 for event in events)


def test_an_uncaptioned_ambience_is_known_but_no_event(store: AudioStore) -> None:
    uncaptioned = synthesizer(
        store, ambience_rate=1.0, captioned_rate=0.0, empty_rate=1.0, sparse_rate=0.0, clean_rate=0.0
    )
    for scene in scenes(uncaptioned, 5):
        assert (scene.events, scene.ambience, scene.ambience_is_event) == ((), HUM, False)


def test_bursts_are_short_and_come_from_recordings_that_have_some(store: AudioStore) -> None:
    bursts = synthesizer(store, short_rate=1.0, rival_rate=0.0, ambience_rate=0.0, sparse_rate=1.0, empty_rate=0.0)
    events = [scene.events[0] for scene in scenes(bursts) if scene.events]
    assert {event.recording for event in events} == {TICKS}
    assert all(event.active.sum() <= 6 for event in events)


def test_rivals_are_mixed_into_scenes_with_their_labels(store: AudioStore) -> None:
    drawn = [
        {event.recording for event in scene.events}
        for scene in scenes(
            synthesizer(store, rival_rate=1.0, short_rate=0.0, ambience_rate=0.0, sparse_rate=0.0, empty_rate=0.0)
        )
    ]
    assert any(RIVAL in recordings for recordings in drawn)
    assert all(TONE in recordings for recordings in drawn if RIVAL in recordings)


def test_plain_scenes_are_mixed_as_without_the_table(store: AudioStore) -> None:
    for scene in scenes(synthesizer(store, plain_rate=1.0, sparse_rate=0.0, empty_rate=0.0), 10):
        assert not scene.ambience_is_event
        assert all(event.recording in (TICKS, TONE) for event in scene.events)


def test_a_recipe_without_the_table_is_refused(store: AudioStore) -> None:
    plain = replace(RECIPE, world=None)
    with pytest.raises(ValueError, match=r"scenes\.world"):
        WorldSynthesizer(store, plain, np.ones(4), [], Rivals(np.arange(4), [], []))
