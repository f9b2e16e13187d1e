"""Decodes a clip, which may be damaged or hostile, to blocks of mono samples at the model's rate.

The length in a clip's header is not trusted: the clip is read in blocks until it ends or exceeds the limit. So memory
stays bounded even if a file of a few hundred bytes claims to hold gigabytes.
"""

import itertools
import os
from collections.abc import Generator, Iterable, Iterator
from typing import BinaryIO

import numpy as np
import soxr  # pyright: ignore[reportMissingTypeStubs] - it ships some for its compiled part only
from numpy.typing import NDArray

from service.core.errors import AudioEmpty, AudioNotFinite, AudioTooLong, AudioUndecodable, UnsupportedAudio
from service.core.warnings import AnswerWarning
from service.engine.clip_checks import ClipChecks
from service.engine.clip_report import ClipReport
from service.engine.containers import ACCEPTED, Container, Source, locate
from service.engine.ffmpeg_reader import read_compressed
from service.engine.pcm_reader import count_frames, read_pcm
from service.engine.sample_range import SampleRange, sample_range
from service.engine.sound_block import MAX_CHANNELS, SoundBlock, regroup

Float32 = NDArray[np.float32]
DecodedBlocks = Generator[Float32, None, tuple[AnswerWarning, ...]]
"""Yields blocks of mono samples, shape (N,) each; returns the warnings about the clip."""

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000
LARGEST_SAMPLE = 2.0**31  # 32-bit integers stored as floats; larger samples make the energies of a spectrum overflow
_FIRST_LOOK_VALUES = 1 << 19
"""Samples of all channels at the start of a compressed clip that decide how the clip is scaled: 2 MiB of floats, rounded up to
whole seconds."""
_SECTION_SAMPLES = 1 << 17
"""Largest section that is checked at a time, unless one second has more samples: every section has a cost."""


def decode(clip: BinaryIO, container: Container, sample_rate_hz: int, max_clip_s: float) -> DecodedBlocks:
    """Decodes a clip to mono samples at a given rate, block by block.

    All sound of a truncated or damaged clip that can be decoded is decoded; lost stretches become silence. Whether
    samples far outside [-1, 1] are scaled is decided before the first block: by a first pass over all samples of a PCM clip
    of floats, and by the first 2 MiB of samples of a compressed clip, which would have to be decoded twice otherwise.

    Args:
        clip: The upload, seekable; it is read from its first byte and must not change while it is decoded.
        container: Container and codec of the clip, from `service.engine.containers.identify`.
        sample_rate_hz: Sample rate of the result.
        max_clip_s: Length of the longest accepted clip, in seconds.

    Yields:
        Finite samples, shape (N,), where N varies; concatenated, the blocks are the clip.

    Returns:
        The warnings about the clip.

    Raises:
        UnsupportedAudio: If the codec, sample rate or number of channels is not accepted.
        AudioUndecodable: If no sample can be read because the clip is damaged.
        AudioEmpty: If the clip holds no sample.
        AudioNotFinite: If a sample is NaN, infinite or larger than `LARGEST_SAMPLE`.
        AudioTooLong: If the clip is longer than `max_clip_s`.
    """
    source = locate(clip)
    if source.container != container:
        raise AudioUndecodable(container, "its content changed while it was read")
    return (yield from decode_source(clip, source, sample_rate_hz, max_clip_s))


def decode_source(clip: BinaryIO, source: Source, sample_rate_hz: int, max_clip_s: float) -> DecodedBlocks:
    """Decodes a clip whose container and beginning are known; see `decode`."""
    report = ClipReport()
    blocks = _checked(_read(clip, source, report, max_clip_s), max_clip_s)
    sections = regroup(blocks, lambda rate_hz: rate_hz * _section_s(max(rate_hz, sample_rate_hz)))
    if source.pcm is None:
        sections, levels = _first_look(sections)
    elif source.pcm.codec == "float":
        first_pass = _checked(_read(clip, source, ClipReport(), max_clip_s), max_clip_s)
        levels = sample_range(block.samples for block in first_pass)
    else:
        levels = SampleRange(1.0, 0.0)
    checks = ClipChecks(report)
    yield from _resample(_mono(sections, levels, checks, report), sample_rate_hz)
    if not checks.has_sound:
        raise AudioEmpty(clip.seek(0, os.SEEK_END))
    checks.finish()
    return report.warnings()


def _read(clip: BinaryIO, source: Source, report: ClipReport, max_clip_s: float) -> Iterator[SoundBlock]:
    if source.pcm is None:
        return read_compressed(clip, source, report, max_clip_s)
    if source.pcm.rate_hz == 0 or source.pcm.channels == 0:
        raise AudioUndecodable(source.container, "its header gives no sample rate or no channel")
    if source.pcm.offset is None:
        raise AudioUndecodable(source.container, "it has a header but no sound data")
    _check_format(source.pcm.rate_hz, source.pcm.channels)
    if count_frames(clip, source.pcm) > round(max_clip_s * source.pcm.rate_hz):
        raise AudioTooLong(max_clip_s)
    return read_pcm(clip, source.pcm, report)


def _check_format(rate_hz: int, channels: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UnsupportedAudio(f"sampled at {rate_hz} Hz", ACCEPTED)
    if not 1 <= channels <= MAX_CHANNELS:
        raise UnsupportedAudio(f"of {channels} channels", ACCEPTED)


def _checked(blocks: Iterable[SoundBlock], max_clip_s: float) -> Iterator[SoundBlock]:
    """Yields the blocks, and raises an error for a sample that is not finite, a refused format, or too much sound."""
    before_s, rate_hz, n_samples = 0.0, 0, 0
    for block in blocks:
        if block.rate_hz != rate_hz:
            before_s += n_samples / max(1, rate_hz)
            rate_hz, n_samples = block.rate_hz, 0
        _check_format(block.rate_hz, block.samples.shape[1])
        if not -LARGEST_SAMPLE <= block.samples.min() <= block.samples.max() <= LARGEST_SAMPLE:  # also true for NaN
            largest = np.abs(block.samples).max(axis=1)  # (N,)
            bad = n_samples + int(np.argmin(largest <= LARGEST_SAMPLE))
            raise AudioNotFinite(before_s + bad / rate_hz)
        n_samples += len(block.samples)
        if n_samples > round((max_clip_s - before_s) * rate_hz):
            raise AudioTooLong(max_clip_s)
        yield block


def _section_s(rate_hz: int) -> int:
    """Length of a section in whole seconds; `rate_hz` is the higher one of the sample rates of the clip and of the result."""
    return max(1, _SECTION_SAMPLES // rate_hz)


def _first_look(sections: Iterator[SoundBlock]) -> tuple[Iterator[SoundBlock], SampleRange]:
    """Measures the range of the first sections, and returns all sections."""
    first: list[SoundBlock] = []
    looked: list[Float32] = []
    missing = _FIRST_LOOK_VALUES
    while missing > 0 and (section := next(sections, None)) is not None:
        first.append(section)
        second_values = section.rate_hz * section.samples.shape[1]
        looked.append(section.samples[: -(-missing // second_values) * section.rate_hz])
        missing -= looked[-1].size
    return itertools.chain(first, sections), sample_range(looked)


def _mono(
    sections: Iterable[SoundBlock], levels: SampleRange, checks: ClipChecks, report: ClipReport
) -> Iterator[tuple[Float32, int]]:
    """Yields the mix of the channels of each section, shape (N,), and its sample rate."""
    divisor = levels.divisor
    if divisor != 1:
        report.scaled(levels.peak, divisor)
    for section in sections:
        scaled = section if divisor == 1 else SoundBlock(section.samples / np.float32(divisor), section.rate_hz)
        yield checks.mix(scaled), section.rate_hz


def _resample(blocks: Iterator[tuple[Float32, int]], to_hz: int) -> Iterator[Float32]:
    """Resamples each run of blocks of one rate with an anti-alias filter.

    N samples of a run become max(1, round(N * to_hz / from_hz)) samples.
    """
    for from_hz, run in itertools.groupby(blocks, key=lambda block: block[1]):
        samples = (block for block, _ in run)
        yield from samples if from_hz == to_hz else _resampled_run(samples, from_hz, to_hz)


def _resampled_run(blocks: Iterable[Float32], from_hz: int, to_hz: int) -> Iterator[Float32]:
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
