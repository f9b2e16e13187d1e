"""Augmentation of recordings and scenes: speed, filters, reverberation, lossy codecs."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from training.synthesis.noise import reverberate


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Probabilities of the changes of events and scenes, and the largest change of speed."""

    speed_rate: float = 0.5
    """Probability that an event is played at another speed."""
    speed: float = 1.25
    """The largest factor by which an event is played faster or slower, above 1."""
    filter_rate: float = 0.4
    """Probability that an event is filtered."""
    reverberation_rate: float = 0.25
    """Probability that an event is reverberated."""
    codec_rate: float = 0.05
    """Probability that a whole scene passes through a lossy codec."""


def change_speed(rng: Generator, samples: NDArray[np.float32], max_factor: float) -> NDArray[np.float32]:
    """The recording, played up to `max_factor` times faster or slower; the pitch changes with the speed."""
    factor = max_factor ** rng.uniform(-1, 1)
    return soxr.resample(samples, 1000.0 * factor, 1000.0, quality="LQ").astype(np.float32)


def tilt(rng: Generator, samples: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """The recording after a first-order high-pass, low-pass, or both, with random corner frequencies."""
    kind = rng.integers(3)
    filtered = samples
    if kind != 0:
        filtered = sosfilt(butter(1, rng.uniform(60, 600), "high", fs=sample_rate_hz, output="sos"), filtered)
    if kind != 1:
        filtered = sosfilt(butter(1, rng.uniform(1500, 7000), "low", fs=sample_rate_hz, output="sos"), filtered)
    return np.asarray(filtered, dtype=np.float32)


def augment_event(
    rng: Generator, samples: NDArray[np.float32], sample_rate_hz: int, augmentation: Augmentation
) -> NDArray[np.float32]:
    """One event, sometimes filtered and sometimes reverberated; its length and timing stay the same."""
    if rng.random() < augmentation.filter_rate:
        samples = tilt(rng, samples, sample_rate_hz)
    if rng.random() < augmentation.reverberation_rate:
        samples = reverberate(rng, samples, sample_rate_hz)
    return samples


def through_codec(rng: Generator, samples: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """The scene after encoding and decoding in Ogg Vorbis at low quality; its length stays the same."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", sample_rate_hz, 1, format="OGG", subtype="VORBIS", compression_level=rng.uniform(0.7, 1.0)
    ) as file:
        for start in range(0, len(samples), sample_rate_hz):  # libsndfile overflows its stack on one long write
            file.write(samples[start : start + sample_rate_hz])
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    missing = max(0, len(samples) - len(decoded))
    return np.pad(decoded, (0, missing))[: len(samples)].astype(np.float32)
