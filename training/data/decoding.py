"""Audio files as mono samples: any format that libsndfile reads, any sample rate, any number of channels."""

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

SHORTFALL_S = 0.1
"""Encoders of lossy formats count their padding differently; a file that ends earlier than this was cut off."""
PREROLL_S = 1.0
"""Frames of MP3 need bits of those before them: after a jump, its first tenth of a second is silent or wrong."""
LONGEST_S = 24 * 3600.0


class UnreadableRecordingError(ValueError):
    """A file that does not hold the sound that its name or its header promises."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[type["UnreadableRecordingError"], tuple[Path, str]]:
        return type(self), (self.path, self.reason)


def recording_duration_s(path: Path) -> float:
    """How long a recording lasts, in seconds, as its header says.

    Raises:
        UnreadableRecordingError: it is no audio file, it is empty, or its length is not known.
    """
    with _opened(path) as file:
        return file.frames / file.samplerate


def decode(path: Path, sample_rate_hz: int, onset_s: float = 0.0, length_s: float | None = None) -> NDArray[np.float32]:
    """A recording, or `length_s` of it from `onset_s` on, as mono samples in [-1, 1] at `sample_rate_hz`: (N,).

    Raises:
        UnreadableRecordingError: the file cannot be decoded, ends too early, lasts less than a sample, or holds
            samples that are no numbers.
    """
    with _opened(path) as file:
        rate, first = file.samplerate, round(onset_s * file.samplerate)
        wanted = file.frames - first if length_s is None else min(round(length_s * rate), file.frames - first)
        preroll = min(first, round(PREROLL_S * rate))
        try:
            file.seek(first - preroll)
            samples = file.read(preroll + wanted, dtype="float32", always_2d=True)[preroll:]
        except soundfile.SoundFileError as error:
            raise UnreadableRecordingError(path, f"cannot be decoded: {_reason(error)}") from error
    if len(samples) == 0 or len(samples) < wanted - SHORTFALL_S * rate:
        raise UnreadableRecordingError(path, f"ends after {len(samples)} of {wanted} samples")
    if not np.isfinite(samples).all():
        raise UnreadableRecordingError(path, "holds samples that are no numbers")
    mono = samples.mean(axis=1)
    if rate == sample_rate_hz:
        return mono
    resampled = soxr.resample(mono, rate, sample_rate_hz).astype(np.float32)
    if len(resampled) == 0:
        raise UnreadableRecordingError(
            path, f"holds {len(mono)} samples at {rate} Hz; at least one at {sample_rate_hz} Hz is accepted"
        )
    return resampled


def _reason(error: soundfile.SoundFileError) -> str:
    """What libsndfile says, without the path before it, which the exception tells by itself."""
    return error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)


def _opened(path: Path) -> soundfile.SoundFile:
    try:
        file = soundfile.SoundFile(path)
    except soundfile.SoundFileError as error:
        raise UnreadableRecordingError(path, f"cannot be opened: {_reason(error)}") from error
    if not 0 < file.frames <= LONGEST_S * file.samplerate:
        file.close()
        raise UnreadableRecordingError(path, f"promises {file.frames} samples; 1 to {LONGEST_S:.0f} s are accepted")
    return file
