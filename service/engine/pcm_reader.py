"""Reads plain PCM with numpy: no parser in C sees the clip."""

import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.engine.clip_report import ClipReport
from service.engine.pcm_layout import PcmLayout
from service.engine.sound_block import SoundBlock

_BLOCK_BYTES = 1 << 19


def read_pcm(clip: BinaryIO, layout: PcmLayout, report: ClipReport) -> Iterator[SoundBlock]:
    """Reads the samples of a PCM clip, block by block.

    Args:
        clip: The clip, seekable.
        layout: Where the samples lie and how they are encoded.
        report: Receives a warning if the file is shorter or longer than its header says.
    """
    if layout.offset is None:
        return
    n_frames = count_frames(clip, layout)
    block_frames = max(1, _BLOCK_BYTES // layout.frame_bytes)
    for first in range(0, n_frames, block_frames):
        clip.seek(layout.offset + first * layout.frame_bytes)
        content = clip.read(min(block_frames, n_frames - first) * layout.frame_bytes)
        samples = to_float(content, layout.codec, layout.width_bytes, layout.byte_order)
        yield SoundBlock(samples.reshape(-1, layout.channels), layout.rate_hz)
    if layout.n_bytes is not None and layout.n_bytes // layout.frame_bytes > n_frames:
        report.truncated(n_frames / layout.rate_hz, layout.n_bytes // layout.frame_bytes / layout.rate_hz)
    if layout.n_rest_bytes:
        report.data_after_end(layout.n_rest_bytes)


def count_frames(clip: BinaryIO, layout: PcmLayout) -> int:
    """Number of samples of all channels that the file holds; what its header claims beyond its end does not count."""
    if layout.offset is None:
        return 0
    n_present = max(0, clip.seek(0, os.SEEK_END) - layout.offset)
    n_bytes = n_present if layout.n_bytes is None else min(n_present, layout.n_bytes)
    return n_bytes // layout.frame_bytes


def to_float(content: bytes, codec: str, width_bytes: int, byte_order: str) -> NDArray[np.float32]:
    """Converts samples to floats, where full scale of an integer is [-1, 1); shape (N,)."""
    if codec == "float":
        with np.errstate(over="ignore", invalid="ignore"):  # a later check refuses what is too large
            return np.frombuffer(content, f"{byte_order}f{width_bytes}").astype(np.float32)
    if codec in _TABLES:
        return _TABLES[codec][np.frombuffer(content, np.uint8)]
    if codec == "unsigned PCM":
        return (np.frombuffer(content, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    if width_bytes == 3:
        wide = np.zeros((len(content) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)[:, :: 1 if byte_order == "<" else -1]
        return wide.view("<i4").ravel().astype(np.float32) / np.float32(2**31)
    integers = np.frombuffer(content, f"{byte_order}i{width_bytes}")
    samples = integers.astype(np.float32)
    samples *= np.float32(0.5 ** (8 * width_bytes - 1))  # exact, as the factor is a power of two
    return samples


def _mu_law() -> NDArray[np.float32]:
    """Sample of each mu-law byte (ITU-T G.711), in 16-bit full scale divided by 32768; shape (256,)."""
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 15).astype(np.int32) << 3) + 132 << (code >> 4 & 7)) - 132
    return (np.where(code & 128, -magnitude, magnitude) / 32768).astype(np.float32)


def _a_law() -> NDArray[np.float32]:
    """Sample of each A-law byte (ITU-T G.711), in 16-bit full scale divided by 32768; shape (256,)."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = np.where(exponent == 0, (mantissa << 4) + 8, (mantissa << 4) + 264 << np.maximum(exponent - 1, 0))
    return (np.where(code & 128, magnitude, -magnitude) / 32768).astype(np.float32)


_TABLES = {"mu-law": _mu_law(), "A-law": _a_law()}
