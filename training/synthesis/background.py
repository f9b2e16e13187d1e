"""Backgrounds of scenes: noise whose level drifts, and recordings of ambiences that fill a scene or a part of it."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.data.pack import AudioStore
from training.synthesis.noise import coloured_noise

STEADY_BLOCK_S = 0.5
STEADY_DB = (-8.0, 10.0)
"""Range of the power of a steady recording, in blocks of 0.5 s and in dB relative to the median block."""
SHARE_UNSTEADY = 0.08
"""Largest share of the blocks of a steady recording outside of the range."""
CROSSFADE_S = 0.1
"""Overlap of the end of an ambience with its beginning, if it is repeated, in seconds."""
SHORTEST_AMBIENCE_S = 2.0
"""A shorter recording is not used as an ambience, in seconds."""


@dataclass(frozen=True, slots=True)
class Ambience:
    """A part of a recording that is long enough for a scene.

    Attributes:
        samples: samples of unit power, (N,).
        source_onset_s: where the part starts in the recording, in seconds.
        loop_s: time after which the recording is repeated, in seconds; 0 if it is not repeated.
    """

    samples: NDArray[np.float32]
    source_onset_s: float
    loop_s: float


def is_steady(samples: NDArray[np.float32], sample_rate_hz: int) -> bool:
    """Whether a recording is heard throughout, so that its label is true of every part of it."""
    block = round(STEADY_BLOCK_S * sample_rate_hz)
    n_blocks = len(samples) // block
    if len(samples) < SHORTEST_AMBIENCE_S * sample_rate_hz:
        return False
    power = (samples[: n_blocks * block].reshape(n_blocks, block) ** 2).mean(axis=1)
    relative_db = 10 * np.log10((power + 1e-12) / (np.median(power) + 1e-12))
    outside = (relative_db < STEADY_DB[0]) | (relative_db > STEADY_DB[1])
    return bool(outside.mean() <= SHARE_UNSTEADY)


def steady_recordings(store: AudioStore, candidates: list[int]) -> list[int]:
    """The candidates, indices of recordings, that are steady."""
    return [index for index in candidates if is_steady(store[index], store.sample_rate_hz)]


def draw_ambience(rng: Generator, samples: NDArray[np.float32], n_samples: int, sample_rate_hz: int) -> Ambience:
    """A random part of a recording with `n_samples` samples; a shorter recording is repeated, with crossfades."""
    fade = round(CROSSFADE_S * sample_rate_hz)
    if len(samples) >= n_samples:
        start, loop = int(rng.integers(len(samples) - n_samples + 1)), 0
        part = samples[start : start + n_samples]
    else:
        loop = len(samples) - fade
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        cycle = samples[:loop].copy()
        cycle[:fade] = np.sqrt(ramp) * cycle[:fade] + np.sqrt(1 - ramp) * samples[loop:]
        start = int(rng.integers(loop))
        part = np.take(cycle, np.arange(start, start + n_samples), mode="wrap")
    return Ambience(part / np.sqrt(np.mean(part**2) + np.float32(1e-12)), start / sample_rate_hz, loop / sample_rate_hz)


def drifting_noise(rng: Generator, n_samples: int, sample_rate_hz: int, drift_db: float) -> NDArray[np.float32]:
    """Coloured noise of unit power whose level drifts smoothly by up to `drift_db` in either direction: (N,)."""
    noise = coloured_noise(rng, n_samples, rng.uniform(0, 2))
    n_knots = 3 + n_samples // (2 * sample_rate_hz)
    levels_db = np.interp(
        np.arange(n_samples), np.linspace(0, n_samples, n_knots), rng.uniform(-drift_db, drift_db, n_knots)
    )
    drifting = noise * (10 ** (levels_db / 20)).astype(np.float32)
    return drifting / np.sqrt(np.mean(drifting**2))
