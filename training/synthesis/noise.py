"""Coloured noise and reverberation, drawn from a random generator."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len
from scipy.signal import oaconvolve


def coloured_noise(rng: Generator, n_samples: int, exponent: float) -> NDArray[np.float32]:
    """Noise of unit power with the power spectrum 1 / f^exponent (0 white, 1 pink, 2 brown): (N,)."""
    n_fft = int(next_fast_len(n_samples, real=True) or n_samples)
    spectrum = rng.standard_normal((n_fft // 2 + 1, 2), dtype=np.float32).view(np.complex64)[:, 0]
    frequency = np.maximum(np.arange(n_fft // 2 + 1, dtype=np.float32), n_fft / 800)  # flat below 20 Hz at 16 kHz
    noise = np.asarray(irfft(spectrum * frequency ** np.float32(-exponent / 2), n_fft), np.float32)[:n_samples]
    return noise / np.sqrt(np.mean(noise**2))


def reverberate(rng: Generator, dry: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """The sound in a random room: the direct sound and exponentially decaying diffuse noise, cut to the length of `dry`."""
    decay_s, direct_to_reverberant_db = rng.uniform(0.1, 0.8), rng.uniform(0, 15)
    time = np.arange(int(decay_s * sample_rate_hz)) / sample_rate_hz
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay_s)
    tail *= 10 ** (-direct_to_reverberant_db / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return oaconvolve(dry, tail.astype(np.float32))[: len(dry)].astype(np.float32)
