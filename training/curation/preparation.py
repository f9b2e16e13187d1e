"""What becomes of a downloaded recording: silence trimmed, cut to length, one loudness, one format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyloudnorm
import soundfile
from numpy.typing import NDArray

from training.data.decoding import UnreadableRecordingError, decode

SAMPLE_RATE_HZ = 32_000
MAX_S = 30.0
LOUDNESS_LUFS = -23.0
"""That of broadcast (EBU R 128), which leaves room for peaks."""
PEAK = 10 ** (-1 / 20)
SILENCE_DB = -60.0
"""Below the loudest frame; quieter beginnings and ends are trimmed."""
SILENT = 1e-5
"""A recording that is nowhere louder (-100 dB) holds nothing."""
FRAME_S = 0.02
BLOCK_S = 0.4


@dataclass(frozen=True, slots=True)
class Kept:
    """The part of a recording that was kept, in seconds from its start."""

    start_s: float
    end_s: float


def prepare(source: Path, target: Path, announced_s: float | None = None) -> Kept:
    """Writes a recording as 16-bit mono FLAC at SAMPLE_RATE_HZ, and tells which part of the source that is.

    Raises:
        ValueError: it cannot be decoded, lasts clearly less than announced, or is silent.
    """
    try:
        samples = decode(source, SAMPLE_RATE_HZ)
    except UnreadableRecordingError as error:
        raise ValueError(error.reason) from error  # its path is of a passing file
    lasts_s = len(samples) / SAMPLE_RATE_HZ
    if announced_s is not None and lasts_s < 0.9 * announced_s - 0.5:
        raise ValueError(f"lasts {lasts_s:.1f} s of the {announced_s:.1f} s that were announced")
    first, last = audible(samples)
    last = min(last, first + int(MAX_S * SAMPLE_RATE_HZ))
    soundfile.write(target, normalize(samples[first:last]), SAMPLE_RATE_HZ, subtype="PCM_16", format="FLAC")
    return Kept(round(first / SAMPLE_RATE_HZ, 3), round(last / SAMPLE_RATE_HZ, 3))


def audible(samples: NDArray[np.float32]) -> tuple[int, int]:
    """First and last (exclusive) sample of what is left of samples (N,) when silence at both ends is trimmed.

    Raises:
        ValueError: there is nothing but silence.
    """
    frame = int(FRAME_S * SAMPLE_RATE_HZ)
    frames = np.pad(samples, (0, -len(samples) % frame)).reshape(-1, frame)
    level = np.sqrt(np.mean(frames**2, axis=1))
    if not len(level) or level.max() < SILENT:
        raise ValueError("is silent")
    loud = np.flatnonzero(level >= level.max() * 10 ** (SILENCE_DB / 20))
    return int(loud[0]) * frame, min(int(loud[-1] + 1) * frame, len(samples))


def normalize(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples (N,) at LOUDNESS_LUFS (ITU-R BS.1770-4), or as loud as their peaks allow without clipping."""
    block = int(BLOCK_S * SAMPLE_RATE_HZ)
    # the standard measures blocks of 400 ms: something shorter is measured as if it went on
    long_enough = np.resize(samples, block) if len(samples) < block else samples
    loudness_lufs = pyloudnorm.Meter(SAMPLE_RATE_HZ).integrated_loudness(long_enough)
    gain = 10 ** ((LOUDNESS_LUFS - max(loudness_lufs, -70.0)) / 20)
    return samples * np.float32(min(gain, PEAK / np.abs(samples).max()))
