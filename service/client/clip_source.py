"""The clips that a caller can give: files, bytes, file objects and arrays of samples, as files that can be opened again."""

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.client.wav import wav_of


class Readable(Protocol):
    """A binary file object."""

    def read(self) -> bytes | str:
        """Reads from the current position to the end."""
        ...


ClipLike = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | NDArray[Any]
"""A clip: the path of an audio file, the bytes of an audio file, a binary file object, or samples.

A file object is read from its current position into memory. Samples have the shape (N,), or (N, C) for C channels."""

_ACCEPTED = "a path, the bytes of an audio file, a binary file object, or an array of samples with rate_hz"


@dataclass(frozen=True, slots=True)
class ClipSource:
    """An audio file that can be read several times.

    Attributes:
        open: Opens the file at its first byte.
    """

    open: Callable[[], io.BufferedIOBase]

    def digest(self) -> str:
        """The SHA-256 digest of the file, in hexadecimal digits."""
        with self.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def id(self, model_id: str) -> str:
        """The id that a service with this model gives the clip; `GET /info` has the model's id."""
        return hashlib.sha256(f"{model_id} {self.digest()}".encode()).hexdigest()


def clip_source(clip: ClipLike, rate_hz: int | None = None) -> ClipSource:
    """Makes a source of anything that can be a clip.

    Args:
        clip: The clip.
        rate_hz: Sample rate of an array, in Hz; None for all other clips.

    Raises:
        TypeError: If the clip has another type, or `rate_hz` is missing or does not belong to the clip.
        ValueError: If an array has the wrong shape.
        OSError: If a file object or a pipe cannot be read.
    """
    if isinstance(clip, np.ndarray) or (
        hasattr(clip, "__array__") and not isinstance(clip, bytes | bytearray | memoryview)
    ):
        if rate_hz is None:
            raise TypeError("an array of samples needs rate_hz, its sample rate in Hz")
        return _in_memory(wav_of(np.asarray(clip), rate_hz))
    if rate_hz is not None:
        raise TypeError(f"rate_hz belongs to an array of samples, not to {type(clip).__name__}")
    if isinstance(clip, str | os.PathLike):
        path = Path(clip)
        return _in_memory(path.read_bytes()) if path.is_fifo() else ClipSource(lambda: path.open("rb"))
    if isinstance(clip, bytes | bytearray | memoryview):
        return _in_memory(bytes(clip))
    if hasattr(clip, "read"):
        content = clip.read()
        if isinstance(content, bytes):
            return _in_memory(content)
        raise TypeError("the file object is in text mode; open the file in binary mode, such as open(path, 'rb')")
    raise TypeError(f"the clip is of type {type(clip).__name__}; accepted: {_ACCEPTED}")


def _in_memory(content: bytes) -> ClipSource:
    return ClipSource(lambda: io.BytesIO(content))
