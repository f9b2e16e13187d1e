"""What becomes of a file that is indexed: a recording, or the reason of a refusal."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, Protocol, Self, TypeVar

from service.core.errors import AudioError, DecoderLost, UnsupportedAudio
from service.engine.clip_embedding import ClipEmbedding
from service.engine.clip_warnings import warnings_to_bytes
from service.library.files import id_of_path, is_named_like_audio
from service.library.recording import Recording


class HasRow(Protocol):
    """A recording that is to be added to a library."""

    @property
    def row(self) -> Recording:
        """The row of the table of recordings."""
        ...

    def with_row(self, row: Recording) -> Self:
        """The recording with another row."""
        ...


Item = TypeVar("Item", bound=HasRow)
Result = TypeVar("Result")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """What became of a file.

    Attributes:
        path: Absolute path of the file, readable in any case.
        n_bytes: Size of the file, in bytes; 0 if the file cannot be opened.
        item: The result; None if the file was refused.
        reason: Reason of the refusal.
        is_no_recording: Whether the file is refused because it is no recording at all.
    """

    path: str
    n_bytes: int = 0
    item: Result | None = None
    reason: str = ""
    is_no_recording: bool = False

    def map(self, function: Callable[[Result], Other]) -> "Outcome[Other]":
        """The outcome with another result, computed from the result if there is one."""
        item = None if self.item is None else function(self.item)
        return Outcome(self.path, self.n_bytes, item, self.reason, self.is_no_recording)


def outcome_of(path: str, work: Callable[[BinaryIO, os.stat_result], Result]) -> Outcome[Result]:
    """Opens a file and does work with it; what is wrong with the file becomes the reason of a refusal."""
    n_bytes = 0
    try:
        path.encode()
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return Outcome(path, reason="not a regular file")
            n_bytes = status.st_size
            return Outcome(path, n_bytes, work(file, status))
    except UnicodeEncodeError:
        return Outcome(path.encode(errors="replace").decode(), reason="its name is not UTF-8")
    except (AudioError, DecoderLost) as error:
        return refused(path, n_bytes, error)
    except OSError as error:
        return Outcome(path, n_bytes, reason=error.strerror or str(error))


def refused(path: str, n_bytes: int, error: AudioError | DecoderLost) -> Outcome[Any]:
    """The outcome of a file that cannot be used."""
    is_no_recording = isinstance(error, UnsupportedAudio) and not is_named_like_audio(path)
    return Outcome(path, n_bytes, reason=error.message, is_no_recording=is_no_recording)


def recording_of(path: str, status: os.stat_result, clip_id: str, embedding: ClipEmbedding) -> Recording:
    """The row of a recording, whose generation is not yet known."""
    return Recording(
        id=id_of_path(path),
        path=path,
        clip_id=clip_id,
        n_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        duration_s=embedding.duration_s,
        n_frames=len(embedding.stored),
        generation=0,
        warnings=warnings_to_bytes(embedding.warnings).decode(),
    )


def _open_without_waiting(path: str, flags: int) -> int:
    """Opens a file; a named pipe without a writer does not block."""
    return os.open(path, flags | os.O_NONBLOCK)
