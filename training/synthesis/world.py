"""Scenes like the world: events at real times, bursts, rivals, and ambiences that are events of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.data.pack import AudioStore
from training.synthesis.augmentation import augment_event
from training.synthesis.background import draw_ambience, drifting_noise, steady_recordings
from training.synthesis.bursts import LONGEST_S, find_bursts
from training.synthesis.channel import Channel, through_channel
from training.synthesis.excerpts import Excerpt, burst_span, cut, timed_span
from training.synthesis.real_times import Interval, RealTimes, read_real_times
from training.synthesis.rivals import Rivals
from training.synthesis.scene import MIN_ACTIVE_S, Event, Scene, SceneRecipe, SceneSynthesizer
from training.synthesis.truth import BLOCK_S
from training.synthesis.world_recipe import WorldRecipe

TAIL_S = 0.4
"""Time after an event into which its reverberation reaches, in seconds."""


@dataclass(frozen=True, slots=True)
class Source:
    """A sound that is heard once or several times in a scene.

    Attributes:
        recording: index of the recording that is heard first.
        snr_db: level of its events over the background, in dB.
        bursts: whether its events are bursts.
        once: whether the source is heard once.
        low_pass: whether its events are low-passed.
    """

    recording: int
    snr_db: float
    bursts: bool
    once: bool
    low_pass: bool


class WorldSynthesizer(SceneSynthesizer):
    """Draws scenes that are laid out like real recordings; the same state of the random generator gives the same scene.

    Args:
        store: the recordings, R of them.
        recipe: how scenes are mixed; `recipe.world` must be set.
        weights: how often each recording is drawn, 0 or more, (R,).
        ambiences: indices of the recordings that may be ambiences; those that are not steady are left out.
        rivals: the labels of the recordings, and the rivals of the labels.

    Raises:
        ValueError: the recipe has no table `scenes.world`.
    """

    def __init__(
        self,
        store: AudioStore,
        recipe: SceneRecipe,
        weights: NDArray[np.float64],
        ambiences: Sequence[int],
        rivals: Rivals,
    ) -> None:
        super().__init__(store, recipe, weights, ambiences)
        if recipe.world is None:
            raise ValueError("scenes.world is missing; a table scenes.world is accepted")
        self.world: WorldRecipe = recipe.world
        self.rivals, self.weights = rivals, weights
        self.times: RealTimes = read_real_times()
        self.steady = steady_recordings(store, list(ambiences))
        self._low_pass = Channel(
            low_pass_rate=1.0,
            low_pass_hz=self.world.channel.low_pass_hz,
            high_pass_rate=0.0,
            equalizer_rate=0.0,
            saturation_rate=0.0,
            quantization_rate=0.0,
        )

    @cached_property
    def _ambience_cumulative(self) -> NDArray[np.float64]:
        """Cumulative probability of each steady recording as an ambience."""
        labels = self.rivals.labels[self.steady]
        weights = np.bincount(labels)[labels].astype(np.float64) ** (self.world.ambience_exponent - 1)
        return np.cumsum(weights / weights.sum())

    @cached_property
    def _bursts(self) -> tuple[NDArray[np.float64], NDArray[np.int64], dict[int, list[tuple[int, int]]]]:
        """Cumulative probabilities of the bursts, their recordings, and the bursts of each recording."""
        bursts = find_bursts(self.store)
        weights = bursts.weights(self.weights)
        by_recording: dict[int, list[tuple[int, int]]] = {}
        for recording, start, end in zip(bursts.recording, bursts.start_block, bursts.end_block, strict=True):
            by_recording.setdefault(int(recording), []).append((int(start), int(end)))
        return np.cumsum(weights / max(weights.sum(), 1e-12)), bursts.recording, by_recording

    def draw(self, rng: Generator) -> Scene:
        """Draws one scene."""
        world, kind = self.world, rng.random()
        rate = self.store.sample_rate_hz
        if kind < world.plain_rate:
            scene = super().draw(rng)
            return replace(scene, waveform=through_channel(rng, scene.waveform, rate, world.channel).clip(-1, 1))
        clean = rng.random() < world.clean_rate
        mixture, events, ambience = self._draw_background(rng, clean)
        captioned = bool(events)
        kind -= world.plain_rate
        if kind < world.empty_rate:
            n_sources = 0
        elif kind < world.empty_rate + world.sparse_rate:
            n_sources = 1
        else:
            n_sources = self.times.draw_sources(rng)
        drawn: list[int] = []
        for _ in range(n_sources):
            times = self.times.draw_source(rng, self.recipe.scene_s)
            if kind < world.empty_rate + world.sparse_rate:
                times = times[:1]
            source = self._draw_source(rng, drawn, once=len(times) == 1, clean=clean)
            drawn.append(source.recording)
            events += self._add_source(rng, mixture, source, times)
        if not events and ambience is None and rng.random() < world.silence_rate:
            mixture[:] = 0.0
        if rng.random() < self.recipe.silence_rate:
            events = self._cut(rng, mixture, events)
        mixture = through_channel(rng, mixture, rate, world.channel)
        return Scene(self._level(rng, mixture), tuple(events), ambience, captioned)

    def _draw_background(self, rng: Generator, clean: bool) -> tuple[NDArray[np.float32], list[Event], int | None]:
        """A background of about unit power, (N,), the events of its ambience, and the ambience's recording."""
        world, rate = self.world, self.store.sample_rate_hz
        noise = drifting_noise(rng, self._n_samples, rate, world.drift_db)
        if clean or not self.steady or rng.random() >= world.ambience_rate:
            return noise, [], None
        cumulative = self._ambience_cumulative
        index = self.steady[min(int(np.searchsorted(cumulative, rng.random(), side="right")), len(cumulative) - 1)]
        ambience = draw_ambience(rng, self.store[index], self._n_samples, rate)
        share = rng.uniform(0.5, 1.0)
        start, end = self._ambience_blocks(rng)
        block = round(BLOCK_S * rate)
        gain = np.interp(
            np.arange(self._n_samples),
            [(start - 5) * block, start * block, end * block, (end + 5) * block],
            [float(start == 0), 1.0, 1.0, float(end * block >= self._n_samples)],
        ).astype(np.float32)
        background = np.sqrt(share) * gain * ambience.samples + np.sqrt(1 - share) * noise
        if rng.random() >= world.captioned_rate:
            return background.astype(np.float32), [], index
        active = np.ones(end - start, dtype=bool)
        source_s = ambience.source_onset_s + start * BLOCK_S
        event = Event(index, start * BLOCK_S, 0.0, active, source_s, loop_s=ambience.loop_s)
        return background.astype(np.float32), [event], index

    def _ambience_blocks(self, rng: Generator) -> tuple[int, int]:
        """The blocks [start, end) of the scene in which the ambience is heard."""
        n_blocks = -(-self._n_samples // round(BLOCK_S * self.store.sample_rate_hz))
        if rng.random() >= self.world.partial_rate:
            return 0, n_blocks
        length = int(n_blocks * rng.uniform(0.2, 0.9))
        start = int(rng.integers(-length // 2, n_blocks - length // 2))
        return max(0, start), min(n_blocks, start + length)

    def _draw_source(self, rng: Generator, drawn: Sequence[int], *, once: bool, clean: bool) -> Source:
        """A random source; `drawn` are the recordings of the scene's earlier sources."""
        world = self.world
        bursts = bool(rng.random() < world.short_rate and len(self._bursts[0]))
        recording = None
        if drawn and rng.random() < world.rival_rate:
            recording = self.rivals.draw(rng, int(rng.choice(np.asarray(drawn))))
        if recording is None and bursts:
            cumulative, recordings, _ = self._bursts
            position = int(np.searchsorted(cumulative, rng.random(), side="right"))
            recording = int(recordings[min(position, len(recordings) - 1)])
        if recording is None:
            recording = self._draw_recording(rng)
        snr_db = rng.uniform(*(world.clean_db if clean else self.recipe.snr_db))
        return Source(recording, snr_db, bursts, once, bool(rng.random() < world.event_low_pass_rate))

    def _add_source(
        self, rng: Generator, mixture: NDArray[np.float32], source: Source, times: Sequence[Interval]
    ) -> list[Event]:
        """Mixes a source into the mixture, in place, at the given times; returns its events."""
        events: list[Event] = []
        recording = source.recording
        for time in times:
            if events and rng.random() >= self.world.same_recording_rate:
                recording = self.rivals.draw_same(rng, source.recording)
            excerpt = self._draw_excerpt(rng, recording, source, time)
            block = round(BLOCK_S * self.store.sample_rate_hz)
            start = min(round(time[0] / BLOCK_S) * block, len(mixture) - block)
            if len(excerpt.samples) > len(mixture) - start:
                excerpt = excerpt.shortened(len(mixture) - start, self.store.sample_rate_hz)
            if excerpt.active.sum() * BLOCK_S < MIN_ACTIVE_S:
                continue
            snr_db = source.snr_db + rng.uniform(-self.world.jitter_db, self.world.jitter_db)
            gain = np.float32(10 ** (snr_db / 20) / np.sqrt(excerpt.power(self.store.sample_rate_hz)))
            sound = self._augmented(rng, excerpt, source)[: len(mixture) - start]
            mixture[start : start + len(sound)] += sound * gain
            onset_s = start / self.store.sample_rate_hz
            events.append(Event(recording, onset_s, snr_db, excerpt.active, excerpt.source_onset_s, excerpt.speed))
        return events

    def _draw_excerpt(self, rng: Generator, recording: int, source: Source, time: Interval) -> Excerpt:
        """A random excerpt of a recording for the time of an event."""
        world, rate, augmentation = self.world, self.store.sample_rate_hz, self.recipe.augmentation
        samples = self.store[recording]
        max_speed = augmentation.speed if augmentation and rng.random() < augmentation.speed_rate else 1.0
        bursts = self._bursts[2].get(recording, []) if source.bursts else []
        if bursts:
            span = burst_span(samples, rate, bursts[int(rng.integers(len(bursts)))])
        elif source.once and rng.random() < world.whole_rate:
            cropped, start = self._crop(rng, samples)
            span = (start, start + len(cropped))
        else:
            length_s = min(time[1] - time[0], self.recipe.max_event_s)
            if source.bursts:
                length_s = min(length_s, LONGEST_S)
            from_onset = bool(time[0] > 0 and (length_s < 1 or rng.random() < 0.7))
            span = timed_span(rng, samples, rate, length_s, from_onset=from_onset)
        return cut(samples, rate, span, rng, max_speed)

    def _augmented(self, rng: Generator, excerpt: Excerpt, source: Source) -> NDArray[np.float32]:
        """The samples of an excerpt after its augmentation, with room for reverberation after them."""
        augmentation, rate = self.recipe.augmentation, self.store.sample_rate_hz
        if augmentation is None:
            return excerpt.samples
        samples = np.pad(excerpt.samples, (0, round(TAIL_S * rate)))
        samples = augment_event(rng, samples, rate, augmentation)
        return through_channel(rng, samples, rate, self._low_pass) if source.low_pass else samples
