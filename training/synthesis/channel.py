"""The channel of a scene: how a microphone, a recorder or a call changes everything that is heard.

Each change is drawn with the same probability for every scene, whatever recordings are in it. Random low-passes therefore take
away the bandwidth as a cue for the collection that a recording comes from.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

MU = 255.0
"""Companding constant of 8-bit telephone quantization (ITU-T G.711, mu-law)."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Probabilities of the changes of a whole scene, and their ranges, [lowest, highest] of a uniform draw."""

    low_pass_rate: float = 0.35
    """Probability that a scene is low-passed."""
    low_pass_hz: tuple[float, float] = (3500.0, 8000.0)
    """Range of the cut-off frequency of the low-pass, in Hz."""
    high_pass_rate: float = 0.15
    """Probability that a scene is high-passed, as small microphones do."""
    high_pass_hz: tuple[float, float] = (80.0, 400.0)
    """Range of the cut-off frequency of the high-pass, in Hz."""
    equalizer_rate: float = 0.4
    """Probability that a scene passes through a random smooth frequency response."""
    equalizer_db: float = 8.0
    """Largest gain of the random frequency response in either direction, in dB."""
    saturation_rate: float = 0.05
    """Probability that the loudest peaks of a scene are saturated, as by an overdriven recorder."""
    quantization_rate: float = 0.05
    """Probability that a scene is quantized to 8 bits with companding, as in a telephone call."""


def through_channel(
    rng: Generator, samples: NDArray[np.float32], sample_rate_hz: int, channel: Channel
) -> NDArray[np.float32]:
    """The scene after the changes that are drawn; its length and timing stay the same: (N,)."""
    samples = _filtered(rng, samples, sample_rate_hz, channel)
    peak = float(np.abs(samples).max()) or 1.0
    if rng.random() < channel.saturation_rate:
        drive = rng.uniform(1.5, 6.0)
        samples = np.tanh(samples * np.float32(drive / peak)) * np.float32(peak / np.tanh(drive))
    if rng.random() < channel.quantization_rate:
        samples = quantized(samples / np.float32(peak)) * np.float32(peak)
    return samples


def quantized(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples in [-1, 1] after 8-bit mu-law quantization."""
    companded = np.sign(samples) * np.log1p(MU * np.abs(samples)) / np.float32(np.log1p(MU))
    rounded = np.round(companded * 127) / np.float32(127)
    return (np.sign(rounded) * np.expm1(np.abs(rounded) * np.float32(np.log1p(MU))) / np.float32(MU)).astype(np.float32)


def _filtered(
    rng: Generator, samples: NDArray[np.float32], sample_rate_hz: int, channel: Channel
) -> NDArray[np.float32]:
    """The scene after the filters that are drawn, all in one pass through the spectrum."""
    low, high, equalizer = rng.random(3) < (channel.low_pass_rate, channel.high_pass_rate, channel.equalizer_rate)
    if not (low or high or equalizer):
        return samples
    n_fft = int(next_fast_len(len(samples) + sample_rate_hz // 20, real=True) or len(samples))
    frequency_hz: NDArray[np.float32] = np.asarray(rfftfreq(n_fft, 1 / sample_rate_hz), np.float32)
    gain = np.ones(len(frequency_hz), np.float32)
    if low:
        gain *= _butterworth(frequency_hz / np.float32(rng.uniform(*channel.low_pass_hz)), int(rng.integers(4, 13)))
    if high:
        cut_off = np.float32(rng.uniform(*channel.high_pass_hz))
        gain *= _butterworth(np.divide(cut_off, np.maximum(frequency_hz, 1), dtype=np.float32), 2)
    if equalizer:
        gain *= _random_response(rng, frequency_hz, channel.equalizer_db)
    spectrum: NDArray[np.complex64] = np.asarray(rfft(samples, n_fft), np.complex64)
    return np.asarray(irfft(spectrum * gain, n_fft), np.float32)[: len(samples)]


def _butterworth(ratio: NDArray[np.float32], order: int) -> NDArray[np.float32]:
    """The magnitude response of a Butterworth filter at `ratio` times its cut-off frequency; zero phase."""
    return (1 / np.sqrt(1 + np.minimum(ratio, 1e3) ** np.float32(2 * order))).astype(np.float32)


def _random_response(rng: Generator, frequency_hz: NDArray[np.float32], max_db: float) -> NDArray[np.float32]:
    """A smooth random magnitude response: gains at seven octave-spaced frequencies, interpolated on a log scale."""
    knots_hz = 62.5 * 2.0 ** np.arange(8)
    gains_db = rng.uniform(-max_db, max_db, len(knots_hz))
    interpolated = np.interp(np.log(np.maximum(frequency_hz, 20)), np.log(knots_hz), gains_db)
    return (10 ** (interpolated / 20)).astype(np.float32)
