"""Samples of the frames that FFmpeg decodes."""

from functools import cache
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from service.engine.sound_block import MAX_CHANNELS

Float32 = NDArray[np.float32]

_FLOAT = np.dtype(np.float32)
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


class TooManyChannelsError(Exception):
    """A packet has more channels than are accepted."""


def accepted(frames: list[AudioFrame]) -> list[AudioFrame]:
    """Returns the frames if their channels can be read; a damaged packet may have more channels than the stream.

    Raises:
        TooManyChannelsError: If a frame has more than `MAX_CHANNELS` channels.
    """
    for frame in frames:
        if frame.layout.nb_channels > MAX_CHANNELS:
            raise TooManyChannelsError("a packet has too many channels")
    return frames


def samples_of(frame: AudioFrame) -> Float32:
    """Samples of a frame as floats, shape (N, C); full scale of an integer is [-1, 1)."""
    channels, (dtype, is_planar) = frame.layout.nb_channels, _layout_of(frame.format.name)
    planes: Any = frame.planes
    if is_planar and channels > 1:  # from 8 channels on, PyAV returns more planes than exist, with invalid addresses
        values = np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes[:channels]], axis=1)  # (N, C)
    else:
        values = np.frombuffer(planes[0], dtype, frame.samples * channels).reshape(-1, channels)
    if dtype is _FLOAT:
        return values
    if dtype.kind == "u":
        return (values.astype(np.float32) - np.float32(128)) / np.float32(128)
    singles = values.astype(np.float32)
    if dtype.kind == "i":
        singles *= np.float32(0.5 ** (8 * dtype.itemsize - 1))  # exact, as the factor is a power of two
    return singles


@cache
def _layout_of(format_name: str) -> tuple[np.dtype[Any], bool]:
    """Type of the values of a sample format of FFmpeg, and whether every channel has a plane of its own (as in "s16p")."""
    return np.dtype(_DTYPES[format_name.removesuffix("p")]), format_name.endswith("p")
