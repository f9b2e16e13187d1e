"""Samples of the frames that FFmpeg decodes."""

from functools import cache
from typing import Any, cast

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from service.engine.sound_block import MAX_CHANNELS

Float32 = NDArray[np.float32]

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
    if is_planar and channels > 1:  # from 8 channels on, PyAV returns more planes than exist, with invalid addresses
        planes = [np.frombuffer(cast(Any, plane), dtype, frame.samples) for plane in frame.planes[:channels]]
        values = np.stack(planes, axis=1)  # (N, C)
    else:
        values = np.frombuffer(cast(Any, frame.planes[0]), dtype, frame.samples * channels).reshape(-1, channels)
    if dtype.kind == "u":
        return (values.astype(np.float32) - np.float32(128)) / np.float32(128)
    if dtype.kind == "i":
        return values.astype(np.float32) / np.float32(2 ** (8 * dtype.itemsize - 1))
    return values if dtype.itemsize == np.float32().itemsize else values.astype(np.float32)


@cache
def _layout_of(format_name: str) -> tuple[np.dtype[Any], bool]:
    """Type of the values of a sample format of FFmpeg, and whether every channel has a plane of its own (as in "s16p")."""
    return np.dtype(_DTYPES[format_name.removesuffix("p")]), format_name.endswith("p")
