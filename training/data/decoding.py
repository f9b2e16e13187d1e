"""Decodes audio files to mono samples: any format that libsndfile reads, any sample rate, any number of channels."""

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

SHORTFALL_S = 0.1
"""Tolerated difference, in seconds, between the length in the header and the decoded length.

Encoders of lossy formats count their padding differently. A file with a larger difference is truncated.
"""
PREROLL_S = 1.0
"""Seconds decoded and discarded before an excerpt.

An MP3 frame needs bits of earlier frames: after a seek, the first tenth of a second is silent or wrong.
"""
MAX_RECORDING_S = 24 * 3600.0


class UnreadableRecordingError(ValueError):
    """The file cannot be decoded to the sound that its header announces.

    Attributes:
        path: the file.
        reason: the fault, without the path.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[type["UnreadableRecordingError"], tuple[Path, str]]:
        return type(self), (self.path, self.reason)


def recording_duration_s(path: Path) -> float:
    """Duration of a recording in seconds, according to its header.

    Raises:
        UnreadableRecordingError: The file is not audio, is empty, or its header does not give its length.
    """
    with _open(path) as file:
        return file.frames / file.samplerate


def decode(path: Path, sample_rate_hz: int, onset_s: float = 0.0, length_s: float | None = None) -> NDArray[np.float32]:
    """Decodes a recording, or an excerpt of it, to mono.

    Args:
        path: the audio file.
        sample_rate_hz: sample rate of the result; the recording is resampled if it has another.
        onset_s: start of the excerpt, in seconds.
        length_s: length of the excerpt, in seconds; None for the rest of the recording.

    Returns:
        Samples in [-1, 1]: (N,).

    Raises:
        UnreadableRecordingError: The file cannot be decoded, ends too early, is shorter than one sample, or contains
            samples that are NaN or infinite.
    """
    with _open(path) as file:
        rate, first = file.samplerate, round(onset_s * file.samplerate)
        expected = file.frames - first if length_s is None else min(round(length_s * rate), file.frames - first)
        preroll = min(first, round(PREROLL_S * rate))
        try:
            file.seek(first - preroll)
            samples = file.read(preroll + expected, dtype="float32", always_2d=True)[preroll:]
        except soundfile.SoundFileError as error:
            raise UnreadableRecordingError(path, f"cannot be decoded: {_reason(error)}") from error
    if len(samples) == 0 or len(samples) < expected - SHORTFALL_S * rate:
        raise UnreadableRecordingError(path, f"ends after {len(samples)} of {expected} samples")
    if not np.isfinite(samples).all():
        raise UnreadableRecordingError(path, "contains samples that are NaN or infinite")
    mono = samples.mean(axis=1)
    if rate == sample_rate_hz:
        return mono
    resampled = soxr.resample(mono, rate, sample_rate_hz).astype(np.float32)
    if len(resampled) == 0:
        raise UnreadableRecordingError(
            path, f"contains {len(mono)} samples at {rate} Hz; at least one sample at {sample_rate_hz} Hz is accepted"
        )
    return resampled


def _reason(error: soundfile.SoundFileError) -> str:
    """The message of libsndfile without its path prefix; the exception names the path itself."""
    return error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)


def _open(path: Path) -> soundfile.SoundFile:
    """Opens a file and checks the length in its header."""
    try:
        file = soundfile.SoundFile(path)
    except soundfile.SoundFileError as error:
        raise UnreadableRecordingError(path, f"cannot be opened: {_reason(error)}") from error
    if not 0 < file.frames <= MAX_RECORDING_S * file.samplerate:
        file.close()
        raise UnreadableRecordingError(
            path, f"header announces {file.frames} samples; 1 sample to {MAX_RECORDING_S:.0f} s is accepted"
        )
    return file
