"""Clips for tests: tones that the tiny bundle detects, encoded in any container format."""

import io
from collections.abc import Iterable, Sequence

import numpy as np
import soundfile
from numpy.typing import NDArray

from service.core.warnings import AnswerWarning
from service.engine.decoding import DecodedBlocks
from tests.tiny_bundle import TONES_HZ

Float32 = NDArray[np.float32]
_WRITE_FRAMES = 8_000  # libsndfile's Vorbis writer crashes on long single writes


def tones(events: Sequence[tuple[str, float, float]], duration_s: float, rate_hz: int = 16_000) -> Float32:
    """A waveform that is silent except for tones.

    Args:
        events: name (a key of TONES_HZ), onset and offset in seconds of each tone.
        duration_s: length of the waveform, in seconds.
        rate_hz: sample rate.

    Returns:
        Samples in [-1, 1], unless several tones overlap: (N,).
    """
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    waveform = np.zeros(len(time_s))
    for name, onset_s, offset_s in events:
        active = (time_s >= onset_s) & (time_s < offset_s)
        waveform += 0.3 * active * np.sin(2 * np.pi * TONES_HZ[name] * time_s)
    return waveform.astype(np.float32)


def encoded(
    waveform: Float32, rate_hz: int = 16_000, container: str = "WAV", subtype: str = "PCM_16", channels: int = 1
) -> bytes:
    """The bytes of an audio file whose channels all hold the same waveform."""
    file = io.BytesIO()
    samples = np.tile(waveform[:, None], (1, channels))
    with soundfile.SoundFile(file, "w", rate_hz, channels, subtype, format=container) as writer:
        for begin in range(0, len(samples), _WRITE_FRAMES):
            writer.write(samples[begin : begin + _WRITE_FRAMES])
    return file.getvalue()


def wav(waveform: Float32, rate_hz: int = 16_000) -> bytes:
    """The bytes of a WAV file with 32-bit float samples."""
    return encoded(waveform, rate_hz, subtype="FLOAT")


def generated(blocks: Iterable[Float32], *warnings: AnswerWarning) -> DecodedBlocks:
    """Yields blocks and returns warnings, as a decoder does."""
    yield from blocks
    return warnings
