"""Scenes: recordings mixed at random times and gains over a background, with annotations of the times of each recording."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.data.pack import AudioStore
from training.synthesis.augmentation import Augmentation, augment_event, change_speed, through_codec
from training.synthesis.noise import coloured_noise
from training.synthesis.truth import BLOCK_S, active_blocks
from training.synthesis.world_recipe import WorldRecipe

MIN_ACTIVE_S = 0.05
"""A recording whose cut part is active for less than this time, in seconds, is not mixed in."""


@dataclass(frozen=True, slots=True)
class SceneRecipe:
    """Settings of the mixing of scenes. Rates are probabilities from 0 to 1; ranges are [lowest, highest] of a uniform draw."""

    scene_s: float = 10.0
    """Duration of a scene in seconds; the audio tower must accept it."""
    min_events: int = 1
    """Smallest number of recordings that are mixed into a scene."""
    max_events: int = 4
    """Largest number of recordings that are mixed into a scene."""
    snr_db: tuple[float, float] = (-5.0, 25.0)
    """Range of the power of an event's active blocks relative to the power of the background, in dB."""
    level_db: tuple[float, float] = (-35.0, 0.0)
    """Range of the peak level of a scene in dB, relative to full scale."""
    ambience_rate: float = 0.3
    """Probability that a recording of an ambience (`data.ambiences`) is mixed into the background, which is coloured noise."""
    silence_rate: float = 0.1
    """Probability that a scene ends early in digital silence, like a clip that is shorter than the model's window."""
    max_event_s: float = 10.0
    """Longest part of a recording that is mixed in, in seconds."""
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    """How recordings and scenes are changed. None, which TOML cannot express: they are not changed."""
    world: WorldRecipe | None = None
    """How scenes are laid out like real recordings. Without this table, events are whole recordings at uniform times, and
    ambiences are not captioned."""


@dataclass(frozen=True, slots=True)
class Event:
    """A recording that is mixed into a scene.

    `source_onset_s` and `speed` map the scene's time to the recording's time, so that frame-level knowledge of the recording
    applies to the scene.

    Attributes:
        recording: index of the recording in the store.
        onset_s: where the event starts in the scene, in seconds.
        snr_db: power of the active blocks relative to the power of the background, in dB.
        active: whether each block of 20 ms from the onset on is active.
        source_onset_s: where the event starts in the recording, in seconds.
        speed: seconds of the recording that pass in one second of the scene.
        loop_s: time of the recording after which it is repeated from its start, in seconds; 0 if it is not repeated.
    """

    recording: int
    onset_s: float
    snr_db: float
    active: NDArray[np.bool_]
    source_onset_s: float = 0.0
    speed: float = 1.0
    loop_s: float = 0.0

    def active_frames(self, n_frames: int, hop_s: float) -> NDArray[np.bool_]:
        """Which frames of the scene are active for at least half of their duration: (T,)."""
        blocks = self.onset_s + BLOCK_S * (np.flatnonzero(self.active) + 0.5)
        counts = np.bincount((blocks / hop_s).astype(int), minlength=n_frames)[:n_frames]
        return counts * BLOCK_S >= hop_s / 2


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene.

    Attributes:
        waveform: samples in [-1, 1], (N,).
        events: the recordings that were mixed in.
        ambience: index of the recording in the background, or None.
        ambience_is_event: whether the ambience is one of the events, so that the times at which it is heard are known.
    """

    waveform: NDArray[np.float32]
    events: tuple[Event, ...]
    ambience: int | None = None
    ambience_is_event: bool = False


class SceneSynthesizer:
    """Draws scenes from the recordings of a store; the same state of the random generator gives the same scene.

    Args:
        store: the recordings, R of them.
        recipe: how scenes are mixed.
        weights: how often each recording is drawn, 0 or more, (R,).
        ambiences: indices of the recordings that may be mixed into the background of a whole scene.

    Raises:
        ValueError: the number of weights is not R.
    """

    def __init__(
        self,
        store: AudioStore,
        recipe: SceneRecipe,
        weights: NDArray[np.float64],
        ambiences: Sequence[int] = (),
    ) -> None:
        if len(weights) != len(store):
            raise ValueError(
                f"{len(weights)} weights for {len(store)} recordings; one weight per recording is accepted"
            )
        self.store, self.recipe, self.ambiences = store, recipe, ambiences
        self._cumulative = np.cumsum(weights / weights.sum())
        self._n_samples = round(recipe.scene_s * store.sample_rate_hz)

    def draw(self, rng: Generator) -> Scene:
        """Draws one scene."""
        recipe = self.recipe
        background, ambience = self._background(rng)
        events: list[Event] = []
        for _ in range(int(rng.integers(recipe.min_events, recipe.max_events + 1))):
            event = self._add_event(rng, background)
            if event is not None:
                events.append(event)
        if rng.random() < recipe.silence_rate:
            events = self._cut(rng, background, events)
        return Scene(self._level(rng, background), tuple(events), ambience)

    def _background(self, rng: Generator) -> tuple[NDArray[np.float32], int | None]:
        """A background of unit power, (N,), and the recording of its ambience, if there is one."""
        noise = coloured_noise(rng, self._n_samples, rng.uniform(0, 2))
        if not self.ambiences or rng.random() >= self.recipe.ambience_rate:
            return noise, None
        index = int(rng.choice(np.asarray(self.ambiences)))
        recording = self.store[index]
        recording = np.tile(recording, -(-self._n_samples // max(1, len(recording))))
        ambience = np.roll(recording, int(rng.integers(len(recording))))[: self._n_samples]
        ambience = ambience / np.sqrt(np.mean(ambience**2) + 1e-12)
        share = rng.uniform(0.5, 1.0)
        return (np.sqrt(share) * ambience + np.sqrt(1 - share) * noise).astype(np.float32), index

    def _add_event(self, rng: Generator, scene: NDArray[np.float32]) -> Event | None:
        """Mixes a part of a random recording into the scene, in place; None if the part is hardly active."""
        recipe, rate = self.recipe, self.store.sample_rate_hz
        index = self._draw_recording(rng)
        samples, speed = self.store[index], 1.0
        if recipe.augmentation and rng.random() < recipe.augmentation.speed_rate:
            changed = change_speed(rng, samples, recipe.augmentation.speed)
            speed = len(samples) / max(1, len(changed))
            samples = changed
        samples, cut_samples = self._crop(rng, samples)
        active = active_blocks(samples, rate)
        if active.sum() * BLOCK_S < MIN_ACTIVE_S:
            return None
        mask = np.repeat(active, round(BLOCK_S * rate))[: len(samples)]
        power = float(np.mean(samples[mask] ** 2))
        if recipe.augmentation:
            samples = augment_event(rng, samples, rate, recipe.augmentation)
        snr_db = rng.uniform(*recipe.snr_db)
        block = round(BLOCK_S * rate)
        start = block * int(rng.integers(0, (len(scene) - len(samples)) // block + 1))
        scene[start : start + len(samples)] += samples * np.float32(10 ** (snr_db / 20) / np.sqrt(power))
        return Event(index, start / rate, snr_db, active, cut_samples * speed / rate, speed)

    def _draw_recording(self, rng: Generator) -> int:
        """The index of a random recording, drawn by weight."""
        return min(int(np.searchsorted(self._cumulative, rng.random(), side="right")), len(self.store) - 1)

    def _crop(self, rng: Generator, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
        """A random part of at most `max_event_s` and the scene's length, and the number of samples before it."""
        limit = min(self._n_samples, round(self.recipe.max_event_s * self.store.sample_rate_hz))
        if len(samples) <= limit:
            return samples, 0
        start = int(rng.integers(len(samples) - limit + 1))
        return samples[start : start + limit], start

    def _cut(self, rng: Generator, scene: NDArray[np.float32], events: list[Event]) -> list[Event]:
        """Silences the end of the scene, in place; returns the events without their silenced blocks."""
        end_s = BLOCK_S * int(rng.uniform(0.1, 0.95) * self.recipe.scene_s / BLOCK_S)
        scene[round(end_s * self.store.sample_rate_hz) :] = 0.0
        kept: list[Event] = []
        for event in events:
            blocks = max(0, round((end_s - event.onset_s) / BLOCK_S))
            active = event.active[:blocks]
            if active.any():
                kept.append(replace(event, active=active))
        return kept

    def _level(self, rng: Generator, scene: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scene at a random peak level, sometimes after a lossy codec, clipped to [-1, 1]."""
        augmentation = self.recipe.augmentation
        peak = float(np.abs(scene).max()) or 1.0
        scene = scene * np.float32(10 ** (rng.uniform(*self.recipe.level_db) / 20) / peak)
        if augmentation and rng.random() < augmentation.codec_rate:
            scene = through_codec(rng, scene, self.store.sample_rate_hz)
        return scene.clip(-1, 1)
