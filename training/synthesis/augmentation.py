"""What may happen to a recording on its way to a listener: speed, filters, rooms, codecs."""

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
    """How often each change happens to an event (the codec: to a scene), as probabilities; `speed` is the largest factor."""

    speed_rate: float = 0.5
    speed: float = 1.25
    filter_rate: float = 0.4
    reverberation_rate: float = 0.25
    codec_rate: float = 0.05


def change_speed(rng: Generator, samples: NDArray[np.float32], most: float) -> NDArray[np.float32]:
    """Plays the recording up to `most` times faster or slower, pitch included."""
    factor = most ** rng.uniform(-1, 1)
    return soxr.resample(samples, 1000.0 * factor, 1000.0, quality="LQ").astype(np.float32)


def tilt(rng: Generator, samples: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """A gentle high-pass, low-pass, or both, at random corners."""
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
    """Filters and reverberation of one event; its length and timing stay."""
    if rng.random() < augmentation.filter_rate:
        samples = tilt(rng, samples, sample_rate_hz)
    if rng.random() < augmentation.reverberation_rate:
        samples = reverberate(rng, samples, sample_rate_hz)
    return samples


def through_codec(rng: Generator, samples: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """The scene after a lossy codec at low quality (Ogg Vorbis), the same length."""
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
