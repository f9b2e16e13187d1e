"""Excerpts of recordings as events of scenes: whole recordings, excerpts of a given length, and bursts."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.synthesis.augmentation import change_speed
from training.synthesis.truth import BLOCK_S, active_blocks, runs

FADE_S = 0.005
"""Length of the fades at the edges of an excerpt, in seconds."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """An excerpt of a recording, ready to be mixed into a scene.

    Attributes:
        samples: the samples, (N,).
        active: whether each block of 20 ms is active.
        source_onset_s: where the excerpt starts in the recording, in seconds.
        speed: seconds of the recording that pass in one second of the excerpt.
    """

    samples: NDArray[np.float32]
    active: NDArray[np.bool_]
    source_onset_s: float
    speed: float

    def power(self, sample_rate_hz: int) -> float:
        """Mean power of the active blocks."""
        mask = np.repeat(self.active, round(BLOCK_S * sample_rate_hz))[: len(self.samples)]
        return float(np.mean(self.samples[mask] ** 2))

    def shortened(self, n_samples: int, sample_rate_hz: int) -> "Excerpt":
        """The excerpt without what is after its first `n_samples` samples, a whole number of blocks."""
        n_blocks = n_samples // round(BLOCK_S * sample_rate_hz)
        return Excerpt(self.samples[:n_samples], self.active[:n_blocks], self.source_onset_s, self.speed)


def timed_span(
    rng: Generator, samples: NDArray[np.float32], sample_rate_hz: int, length_s: float, *, from_onset: bool
) -> tuple[int, int]:
    """A random span [start, end) of a recording in samples that lasts `length_s`, or less if the recording is shorter.

    Args:
        rng: the random generator.
        samples: the recording.
        sample_rate_hz: its sample rate.
        length_s: length of the span, in seconds.
        from_onset: whether the span starts where the sound sets in, or anywhere within the sound.
    """
    block, length = round(BLOCK_S * sample_rate_hz), round(length_s * sample_rate_hz)
    sounds = runs(active_blocks(samples, sample_rate_hz))
    if not sounds:
        return 0, min(length, len(samples))
    lengths = np.array([end - start for start, end in sounds])
    first, last = sounds[int(rng.choice(len(sounds), p=lengths / lengths.sum()))]
    start = first * block
    if not from_onset:
        start += int(rng.integers(max(0, last * block - start - length) + 1))
    return start, min(len(samples), start + length)


def burst_span(samples: NDArray[np.float32], sample_rate_hz: int, burst: tuple[int, int]) -> tuple[int, int]:
    """The span [start, end) of a burst in samples, with a block on both sides if the recording has it."""
    block = round(BLOCK_S * sample_rate_hz)
    return max(0, (burst[0] - 1) * block), min(len(samples), (burst[1] + 1) * block)


def cut(
    samples: NDArray[np.float32], sample_rate_hz: int, span: tuple[int, int], rng: Generator, max_speed: float = 1.0
) -> Excerpt:
    """A span of a recording as an excerpt, with short fades at cut edges, played at a random speed.

    Args:
        samples: the recording.
        sample_rate_hz: its sample rate.
        span: start and end of the excerpt, in samples.
        rng: draws the speed.
        max_speed: the largest factor of the speed, as in `change_speed`; 1: the speed is not changed.
    """
    start, end = span
    part = samples[start:end].copy()
    fade = min(round(FADE_S * sample_rate_hz), len(part) // 4)
    ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
    if start > 0:
        part[:fade] *= ramp
    if end < len(samples):
        part[len(part) - fade :] *= ramp[::-1]
    speed = 1.0
    if max_speed > 1:
        changed = change_speed(rng, part, max_speed)
        part, speed = changed, len(part) / max(1, len(changed))
    return Excerpt(part, active_blocks(part, sample_rate_hz), start / sample_rate_hz, speed)
