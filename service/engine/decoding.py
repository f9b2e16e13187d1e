"""Decodes a clip, which may be damaged or hostile, to blocks of mono samples at the model's rate.

The length in a clip's header is not trusted: the clip is read in blocks until it ends or exceeds the limit. So memory
stays bounded even if a file of a few hundred bytes claims to hold gigabytes.
"""

import contextlib
import itertools
import os
from collections.abc import Generator, Iterator
from typing import BinaryIO, cast

import numpy as np
import soundfile  # pyright: ignore[reportMissingTypeStubs] - it ships none
import soxr  # pyright: ignore[reportMissingTypeStubs] - it ships some for its compiled part only
from numpy.typing import NDArray

from service.core.errors import AudioEmpty, AudioNotFinite, AudioTooLong, AudioUndecodable, UnsupportedAudio
from service.core.warnings import AnswerWarning
from service.engine.containers import ACCEPTED, Container

Float32 = NDArray[np.float32]
DecodedBlocks = Generator[Float32, None, tuple[AnswerWarning, ...]]
"""Yields blocks of mono samples, shape (N,) each; returns the warnings about the clip."""

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000
MAX_CHANNELS = 8
LARGEST_SAMPLE = 2.0**31  # 32-bit integers stored as floats; larger samples make the energies of a spectrum overflow
_BLOCK_VALUES = 1 << 13  # samples of all channels in one read; a read that meets damage loses its whole block
_FORMATS = {"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "AIFF"}
_SUBTYPES = {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_III"}


class _TolerantFile:
    """A clip as libsndfile sees it: a seek to an impossible position, which a damaged clip may cause, is ignored."""

    def __init__(self, clip: BinaryIO) -> None:
        self.read, self.tell, self._seek = clip.read, clip.tell, clip.seek

    def seek(self, offset: int, whence: int) -> None:
        with contextlib.suppress(ValueError, OSError, OverflowError):  # soundfile would print a traceback and continue
            self._seek(offset, whence)


class _SequentialFile(soundfile.SoundFile):
    """A clip that is only read forward: soundfile would seek after each block, which fails on damaged clips."""

    def seekable(self) -> bool:
        return False


def decode(clip: BinaryIO, container: Container, sample_rate_hz: int, max_clip_s: float) -> DecodedBlocks:
    """Decodes a clip to mono samples at a given rate, block by block.

    From a clip that is truncated or damaged, the samples before the damage are decoded.

    Args:
        clip: The upload, seekable; it is read from its first byte and must not change while it is decoded.
        container: Container and codec of the clip, from `service.engine.containers.identify`.
        sample_rate_hz: Sample rate of the result.
        max_clip_s: Length of the longest accepted clip, in seconds.

    Yields:
        Finite samples, shape (N,), where N varies; concatenated, the blocks are the clip.

    Raises:
        UnsupportedAudio: If the codec, sample rate or number of channels is not accepted.
        AudioUndecodable: If no sample can be read because the clip is damaged.
        AudioEmpty: If the clip holds no sample.
        AudioNotFinite: If a sample is NaN, infinite or larger than `LARGEST_SAMPLE`.
        AudioTooLong: If the clip is longer than `max_clip_s`.
    """
    clip.seek(0)
    try:
        file = _SequentialFile(cast(BinaryIO, _TolerantFile(clip)))
    except soundfile.LibsndfileError as error:
        raise AudioUndecodable(container, _reason(error)) from error
    with file:
        _check_format(file)
        blocks = _mono_blocks(file, container, max_clip_s)
        first = next(blocks, None)
        if first is None:
            raise AudioEmpty(clip.seek(0, os.SEEK_END))
        yield from _resample(itertools.chain([first], blocks), file.samplerate, sample_rate_hz)
        return ()


def _check_format(file: soundfile.SoundFile) -> None:
    if file.format not in _FORMATS or file.subtype not in _SUBTYPES:
        raise UnsupportedAudio(f"{file.format} with {file.subtype}", ACCEPTED)
    if not MIN_RATE_HZ <= file.samplerate <= MAX_RATE_HZ:
        raise UnsupportedAudio(f"sampled at {file.samplerate} Hz", ACCEPTED)
    if not 1 <= file.channels <= MAX_CHANNELS:
        raise UnsupportedAudio(f"of {file.channels} channels", ACCEPTED)


def _mono_blocks(file: soundfile.SoundFile, container: Container, max_clip_s: float) -> Iterator[Float32]:
    """Yields blocks of the mean over all channels, shape (N,), at the clip's original sample rate."""
    buffer = np.empty((_BLOCK_VALUES // file.channels, file.channels), np.float32)
    max_samples = round(max_clip_s * file.samplerate)
    n_samples = 0
    while True:
        try:
            block = file.read(out=buffer)  # (N, channels)
        except soundfile.LibsndfileError as error:
            if n_samples == 0:
                raise AudioUndecodable(container, _reason(error)) from error
            return
        if len(block) == 0:
            return
        largest = np.abs(block).max(axis=1)  # (N,)
        if not largest.max() <= LARGEST_SAMPLE:  # also true for NaN
            raise AudioNotFinite((n_samples + int(np.argmin(largest <= LARGEST_SAMPLE))) / file.samplerate)
        n_samples += len(block)
        if n_samples > max_samples:
            raise AudioTooLong(max_clip_s)
        yield block.mean(axis=1, dtype=np.float32)


def _resample(blocks: Iterator[Float32], from_hz: int, to_hz: int) -> Iterator[Float32]:
    """Resamples with an anti-alias filter; N samples become max(1, round(N * to_hz / from_hz)) samples."""
    if from_hz == to_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
    n_in, n_out = 0, 0
    for block in blocks:
        n_in += len(block)
        resampled = stream.resample_chunk(block)
        n_out += len(resampled)
        yield resampled
    missing = max(0, max(1, round(n_in * to_hz / from_hz)) - n_out)
    tail = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    yield np.pad(tail, (0, max(0, missing - len(tail))))[:missing]


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).rstrip(".")
