"""Prepares a downloaded recording: trims silence, limits the length, and makes loudness and format uniform."""

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
"""Target loudness: the broadcast standard EBU R 128, which leaves headroom for peaks."""
PEAK = 10 ** (-1 / 20)
"""Largest absolute sample after normalization: -1 dBFS."""
SILENCE_DB = -60.0
"""Level, in dB relative to the loudest frame, below which frames at the start and the end are trimmed."""
SILENT = 1e-5
"""Root mean square (-100 dBFS). A recording with no louder frame is refused as silent."""
FRAME_S = 0.02
BLOCK_S = 0.4


@dataclass(frozen=True, slots=True)
class KeptPart:
    """The part of a recording that was kept, in seconds from the start of the recording."""

    start_s: float
    end_s: float


def prepare(source: Path, target: Path, announced_s: float | None = None) -> KeptPart:
    """Writes a recording as 16-bit mono FLAC at SAMPLE_RATE_HZ, trimmed, normalized and at most MAX_S long.

    Args:
        source: the downloaded recording.
        target: the file to write.
        announced_s: the duration that the source should have, in seconds; None if unknown.

    Returns:
        The part of the source that was written.

    Raises:
        ValueError: The source cannot be decoded, is much shorter than announced, or is silent.
    """
    try:
        samples = decode(source, SAMPLE_RATE_HZ)
    except UnreadableRecordingError as error:
        raise ValueError(error.reason) from error  # without the path, which is of a temporary file
    duration_s = len(samples) / SAMPLE_RATE_HZ
    if announced_s is not None and duration_s < 0.9 * announced_s - 0.5:
        raise ValueError(f"lasts {duration_s:.1f} s of the {announced_s:.1f} s that were announced")
    first, end = audible_bounds(samples)
    end = min(end, first + int(MAX_S * SAMPLE_RATE_HZ))
    soundfile.write(target, normalize(samples[first:end]), SAMPLE_RATE_HZ, subtype="PCM_16", format="FLAC")
    return KeptPart(round(first / SAMPLE_RATE_HZ, 3), round(end / SAMPLE_RATE_HZ, 3))


def audible_bounds(samples: NDArray[np.float32]) -> tuple[int, int]:
    """The first sample, and the end (exclusive), of samples (N,) without the silence at both ends.

    Raises:
        ValueError: All samples are silent.
    """
    frame = int(FRAME_S * SAMPLE_RATE_HZ)
    frames = np.pad(samples, (0, -len(samples) % frame)).reshape(-1, frame)
    level = np.sqrt(np.mean(frames**2, axis=1))
    if not len(level) or level.max() < SILENT:
        raise ValueError("is silent")
    loud = np.flatnonzero(level >= level.max() * 10 ** (SILENCE_DB / 20))
    return int(loud[0]) * frame, min(int(loud[-1] + 1) * frame, len(samples))


def normalize(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales samples (N,) to LOUDNESS_LUFS (ITU-R BS.1770-4), or less if their peak would exceed PEAK."""
    block = int(BLOCK_S * SAMPLE_RATE_HZ)
    # the standard measures blocks of 400 ms, so a shorter recording is repeated to fill a block
    long_enough = np.resize(samples, block) if len(samples) < block else samples
    loudness_lufs = pyloudnorm.Meter(SAMPLE_RATE_HZ).integrated_loudness(long_enough)
    gain = 10 ** ((LOUDNESS_LUFS - max(loudness_lufs, -70.0)) / 20)
    return samples * np.float32(min(gain, PEAK / np.abs(samples).max()))
