"""Mixes sounds of a pack into real ambiences at drawn times and levels; the basis of two evaluation sets."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training import seeds
from training.data.pack import AudioStore, Recording
from training.evaluation.ambience import Ambiences, unrelated_labels
from training.evaluation.benchmark import MIN_RECORDINGS
from training.evaluation.scene_set import resampled
from training.synthesis.truth import BLOCK_S, active_blocks, runs

PEAK_DB = (-20.0, -1.0)
"""Range of the peak level of a mixture in dB, relative to full scale."""
MAX_SOUND_S = 10.0
"""Longest part of a recording that is mixed in, in seconds."""
Onsets = Callable[[Generator, float], Iterator[float | None]]
"""Yields the onset of each sound in a mixture of a duration, in seconds; None is anywhere where the whole sound fits."""


@dataclass(frozen=True, slots=True)
class PlacedSound:
    """A sound that is mixed in: the recording, its onset in samples, and its signal-to-noise ratio in decibels."""

    recording: int
    start: int
    snr_db: float


@dataclass(frozen=True, slots=True)
class Layout:
    """How mixtures are laid out.

    Attributes:
        duration_s: Duration of each mixture, in seconds.
        onsets: Onsets of the sounds.
        snr_db: Range of the power of a sound's active blocks relative to the power of the ambience, in dB.
    """

    duration_s: float
    onsets: Onsets
    snr_db: tuple[float, float]


@dataclass(frozen=True, slots=True)
class AmbientMixer:
    """Draws mixtures from the recordings of a store; the same number always gives the same mixture.

    Attributes:
        recordings: Rows of the pack's table, R of them.
        store: Decoded audio of `recordings`, in the same order.
        weights: How often each recording is drawn, relative to the others, (R,).
        ambiences: The recordings that serve as ambiences.
        layout: How the mixtures are laid out.
        seed: Seed of all mixtures.
    """

    recordings: Sequence[Recording]
    store: AudioStore
    weights: NDArray[np.float64]
    ambiences: Ambiences
    layout: Layout
    seed: int

    @classmethod
    def of(
        cls, recordings: Sequence[Recording], store: AudioStore, labels: Collection[str], layout: Layout, seed: int
    ) -> "AmbientMixer":
        """A mixer in which all of some labels are equally frequent, and other labels are rarer if they have few recordings."""
        counts = Counter(r.label for r in recordings)
        weights = np.array([1.0 / (counts[r.label] if r.label in labels else MIN_RECORDINGS) for r in recordings])
        return cls(recordings, store, weights, Ambiences.of(recordings, store), layout, seed)

    @property
    def _n_samples(self) -> int:
        return round(self.layout.duration_s * self.store.sample_rate_hz)

    @property
    def _block(self) -> int:
        return round(BLOCK_S * self.store.sample_rate_hz)

    def ambience_label(self, number: int) -> str | None:
        """Label of the ambience of mixture `number`, or None for noise."""
        return self.ambiences.label(number)

    def sounds(self, number: int) -> list[PlacedSound]:
        """The sounds of mixture `number`, drawn from the labels that are unrelated to the ambience."""
        rng = np.random.default_rng(seeds.numbered(self.seed, 2 * number))
        allowed = unrelated_labels(sorted({r.label for r in self.recordings}), self.ambience_label(number))
        weights = self.weights * np.array([r.label in allowed for r in self.recordings])
        placed: list[PlacedSound] = []
        if not weights.any():
            return placed
        for onset_s in self.layout.onsets(rng, self.layout.duration_s):
            index = int(rng.choice(len(self.recordings), p=weights / weights.sum()))
            snr_db = float(rng.uniform(*self.layout.snr_db))
            if onset_s is None:
                free = (self._n_samples - len(self._samples(index))) // self._block
                start = self._block * int(rng.integers(max(0, free) + 1))
            else:
                start = self._block * int(onset_s * self.store.sample_rate_hz / self._block)
            placed.append(PlacedSound(index, start, snr_db))
        return placed

    def events(self, number: int) -> tuple[tuple[str, float, float], ...]:
        """(label, onset_s, offset_s) of the true events of mixture `number`."""
        return tuple(
            (
                self.recordings[sound.recording].label,
                sound.start / self.store.sample_rate_hz + first * BLOCK_S,
                sound.start / self.store.sample_rate_hz + end * BLOCK_S,
            )
            for sound in self.sounds(number)
            for first, end in runs(self._active(self._samples(sound.recording)))
        )

    def waveform(self, number: int, sample_rate_hz: int) -> NDArray[np.float32]:
        """Samples of mixture `number` in [-1, 1], (N,)."""
        rng = np.random.default_rng(seeds.numbered(self.seed, 2 * number + 1))
        mixed = self.ambiences.draw(rng, self.ambience_label(number), self._n_samples)
        for sound in self.sounds(number):
            samples = self._samples(sound.recording)
            mask = np.repeat(self._active(samples), self._block)[: len(samples)]
            power = float(np.mean(samples[mask] ** 2)) if mask.any() else 1.0
            samples = samples[: len(mixed) - sound.start]
            mixed[sound.start : sound.start + len(samples)] += samples * np.float32(
                10 ** (sound.snr_db / 20) / np.sqrt(power)
            )
        peak = float(np.abs(mixed).max()) or 1.0
        mixed *= np.float32(10 ** (rng.uniform(*PEAK_DB) / 20) / peak)
        return resampled(mixed, self.store.sample_rate_hz, sample_rate_hz)

    def queried_labels(self, number: int, labels: Sequence[str]) -> tuple[int, ...]:
        """Indices of the labels that are searched for in mixture `number`: those that cannot describe its ambience."""
        searched = unrelated_labels(labels, self.ambience_label(number))
        return tuple(i for i, label in enumerate(labels) if label in searched)

    def _samples(self, recording: int) -> NDArray[np.float32]:
        longest = min(self._n_samples, round(MAX_SOUND_S * self.store.sample_rate_hz))
        return self.store[recording][:longest]

    def _active(self, samples: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether each block of 20 ms of a sound is active."""
        return active_blocks(samples, self.store.sample_rate_hz)
