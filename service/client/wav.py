"""Writer of arrays of samples as WAV files, in memory."""

import struct
from typing import Any

from numpy.typing import NDArray

_PCM, _FLOAT = 1, 3
_MAX_CHANNELS = 8
_MAX_BYTES = 2**32 - 1024
_INTEGERS = ("int32", "int16", "uint8")
_ACCEPTED_TYPES = f"float64, float32, float16, {', '.join(_INTEGERS)}"


def wav_of(samples: NDArray[Any], rate_hz: int) -> bytes:
    """Encodes samples without loss of precision, except that float64 becomes float32.

    Args:
        samples: Shape (N,), or (N, C) for C channels. Floats are in [-1, 1]; integers use their whole range.
        rate_hz: Sample rate, in Hz.

    Raises:
        TypeError: If the samples have another type.
        ValueError: If the shape, the sample rate or the size cannot be written.
    """
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= _MAX_CHANNELS):
        hint = "; transpose it (samples.T)" if samples.ndim == 2 and samples.shape[0] <= _MAX_CHANNELS else ""
        raise ValueError(
            f"the array has the shape {samples.shape}; accepted: (samples,), or (samples, channels) with at most "
            f"{_MAX_CHANNELS} channels{hint}"
        )
    if not 0 < rate_hz < 2**32 or rate_hz != int(rate_hz):
        raise ValueError(f"rate_hz is {rate_hz}; accepted: a whole number of samples per second")
    content = _little_endian(samples)
    if content.nbytes > _MAX_BYTES:
        raise ValueError(f"the array has {content.nbytes} bytes; a WAV file holds at most {_MAX_BYTES} bytes")
    n_channels = samples.shape[1] if samples.ndim == 2 else 1
    frame_bytes = n_channels * content.itemsize
    code = _FLOAT if content.dtype.kind == "f" else _PCM
    rate = int(rate_hz)
    layout = struct.pack("<HHIIHH", code, n_channels, rate, rate * frame_bytes, frame_bytes, 8 * content.itemsize)
    body = content.tobytes()
    padding = b"\0" * (len(body) % 2)
    chunks = b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(body)) + body + padding
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _little_endian(samples: NDArray[Any]) -> NDArray[Any]:
    if samples.dtype.kind == "f":
        return samples.astype("<f4")
    if samples.dtype.name in _INTEGERS:
        return samples.astype(samples.dtype.newbyteorder("<"))
    raise TypeError(f"the array has samples of type {samples.dtype}; accepted: {_ACCEPTED_TYPES}")
