"""Sparse recordings: 10 minutes of a real ambience with a sound about every 30 s, as in recordings that users search.

The definition is fixed: seed, ambiences and rates are constants, so that a pack always gives the same recordings. The `val`
recordings of each label are divided into two halves. The recordings of the reported set come from one half and those of the
tuning set from the other half, so no recording occurs in both.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training import seeds
from training.data.pack import AudioStore, Recording, read_pack_table
from training.evaluation.ambience import Ambiences, unrelated_labels
from training.evaluation.benchmark import MIN_RECORDINGS, validation_queries
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet
from training.evaluation.scene_set import resampled
from training.synthesis.truth import BLOCK_S, active_blocks, runs
from training.towers.front_end import SAMPLE_RATE_HZ

Half = Literal["reported", "tuning"]
N_RECORDINGS = 24
RECORDING_S = 600.0
GAP_S = (15.0, 45.0)
"""Range of the time from the onset of a sound to the onset of the next, in seconds."""
SNR_DB = (0.0, 20.0)
"""Range of the power of a sound's active blocks relative to the power of the ambience, in dB."""
PEAK_DB = (-20.0, -1.0)
"""Range of the peak level of a recording in dB, relative to full scale."""
MAX_SOUND_S = 10.0
"""Longest part of a recording that is mixed in, in seconds."""


@dataclass(frozen=True, slots=True)
class PlacedSound:
    """A sound that is mixed in: the recording, its onset in samples, and its signal-to-noise ratio in decibels."""

    recording: int
    start: int
    snr_db: float


@dataclass(frozen=True, slots=True)
class SparseMixer:
    """Draws sparse recordings from the recordings of a store; the same number always gives the same recording.

    Attributes:
        recordings: Rows of the pack's table.
        store: Decoded audio of `recordings`, in the same order.
        weights: How often each recording is drawn, relative to the others, (R,).
        seed: Seed of all recordings.
        n_samples: Length of each recording.
    """

    recordings: Sequence[Recording]
    store: AudioStore
    weights: NDArray[np.float64]
    seed: int
    n_samples: int

    def ambience_label(self, number: int) -> str | None:
        """Label of the ambience of recording `number`, or None for noise."""
        return self._ambiences.label(number)

    @property
    def _ambiences(self) -> Ambiences:
        return Ambiences.of(self.recordings, self.store)

    def sounds(self, number: int) -> list[PlacedSound]:
        """The sounds of recording `number`, in order of time, drawn from the labels that are unrelated to the ambience."""
        rng = np.random.default_rng(seeds.numbered(self.seed, 2 * number))
        allowed = unrelated_labels(sorted({r.label for r in self.recordings}), self.ambience_label(number))
        weights = self.weights * np.array([r.label in allowed for r in self.recordings])
        block, rate = round(BLOCK_S * self.store.sample_rate_hz), self.store.sample_rate_hz
        placed: list[PlacedSound] = []
        if not weights.any():
            return placed
        start_s = rng.uniform(0, GAP_S[1])
        while start_s + MAX_SOUND_S < self.n_samples / rate:
            index = int(rng.choice(len(self.recordings), p=weights / weights.sum()))
            placed.append(PlacedSound(index, block * int(start_s * rate / block), float(rng.uniform(*SNR_DB))))
            start_s += rng.uniform(*GAP_S)
        return placed

    def active(self, sound: PlacedSound) -> NDArray[np.bool_]:
        """Whether each block of 20 ms of a sound is active."""
        return active_blocks(self._samples(sound), self.store.sample_rate_hz)

    def events(self, number: int) -> tuple[tuple[str, float, float], ...]:
        """(label, onset_s, offset_s) of the true events of recording `number`."""
        return tuple(
            (
                self.recordings[sound.recording].label,
                sound.start / self.store.sample_rate_hz + first * BLOCK_S,
                sound.start / self.store.sample_rate_hz + end * BLOCK_S,
            )
            for sound in self.sounds(number)
            for first, end in runs(self.active(sound))
        )

    def waveform(self, number: int, sample_rate_hz: int) -> NDArray[np.float32]:
        """Samples of recording `number` in [-1, 1], (N,)."""
        rng = np.random.default_rng(seeds.numbered(self.seed, 2 * number + 1))
        mixed = self._ambiences.draw(rng, self.ambience_label(number), self.n_samples)
        block = round(BLOCK_S * self.store.sample_rate_hz)
        for sound in self.sounds(number):
            samples = self._samples(sound)
            mask = np.repeat(self.active(sound), block)[: len(samples)]
            power = float(np.mean(samples[mask] ** 2)) if mask.any() else 1.0
            mixed[sound.start : sound.start + len(samples)] += samples * np.float32(
                10 ** (sound.snr_db / 20) / np.sqrt(power)
            )
        peak = float(np.abs(mixed).max()) or 1.0
        mixed *= np.float32(10 ** (rng.uniform(*PEAK_DB) / 20) / peak)
        return resampled(mixed, self.store.sample_rate_hz, sample_rate_hz)

    def _samples(self, sound: PlacedSound) -> NDArray[np.float32]:
        return self.store[sound.recording][: round(MAX_SOUND_S * self.store.sample_rate_hz)]


def half_of(recordings: Sequence[Recording], half: Half) -> list[Recording]:
    """One half of the recordings of each label, in the order of the table: the 1st, 3rd, ... or the 2nd, 4th, ..."""
    seen: defaultdict[str, int] = defaultdict(int)
    kept: list[Recording] = []
    for recording in recordings:
        if seen[recording.label] % 2 == (half == "tuning"):
            kept.append(recording)
        seen[recording.label] += 1
    return kept


def sparse_set(
    folder: Path, half: Half, n_recordings: int = N_RECORDINGS, recording_s: float = RECORDING_S
) -> EvaluationSet:
    """Sparse recordings, queried with the held-out captions of the benchmark's labels.

    Labels that may describe the ambience of a recording are not searched for in it, because the answer is not known.

    Args:
        folder: CSV pack with a `val` split.
        half: Which half of the `val` recordings of each label is used.
        n_recordings: Number of recordings.
        recording_s: Duration of each recording in seconds.

    Raises:
        ValueError: No label has enough recordings, a label has too few held-out captions, or a recording cannot be
            decoded.
        FileNotFoundError: The pack's table does not exist.
    """
    val = [r for r in read_pack_table(folder) if r.split == "val"]
    counts = Counter(r.label for r in val)
    labels = tuple(sorted(label for label, count in counts.items() if count >= MIN_RECORDINGS))
    if not labels:
        raise ValueError(f"{folder}: no label has {MIN_RECORDINGS} recordings in split 'val'")
    recordings = half_of(val, half)
    store = AudioStore.decode(recordings, SAMPLE_RATE_HZ)
    seed = seeds.SPARSE if half == "reported" else seeds.SPARSE_TUNING
    weights = _weights(recordings, set(labels))
    mixer = SparseMixer(recordings, store, weights, seed, round(recording_s * SAMPLE_RATE_HZ))
    clips = tuple(_clip(mixer, number, labels, recording_s) for number in range(n_recordings))
    name = f"{n_recordings} sparse recordings of {recording_s:g} s, seed {seed}"
    return EvaluationSet(name, clips, labels, tuple(map(tuple, validation_queries(labels))))


def _weights(recordings: Sequence[Recording], labels: set[str]) -> NDArray[np.float64]:
    """Weights such that all labels that are searched for are equally frequent, and labels with few recordings are rarer."""
    counts = Counter(r.label for r in recordings)
    return np.array([1.0 / (counts[r.label] if r.label in labels else MIN_RECORDINGS) for r in recordings])


def _clip(mixer: SparseMixer, number: int, labels: Sequence[str], recording_s: float) -> EvaluationClip:
    searched = unrelated_labels(labels, mixer.ambience_label(number))
    queried = tuple(i for i, label in enumerate(labels) if label in searched)
    name = f"sparse{number:02d} ({mixer.ambience_label(number) or 'noise'})"
    return EvaluationClip(name, partial(mixer.waveform, number), recording_s, mixer.events(number), queried)
