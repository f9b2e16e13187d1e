"""The files that a command reads: files, folders and patterns become a sorted list without repetitions."""

import glob
import hashlib
import mimetypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.core.start_errors import RecordingsMissing


def find_files(patterns: Sequence[str], library: str | None = None) -> list[str]:
    """Absolute paths of the files that patterns name, in order, without those of the library itself.

    Args:
        patterns: Files, folders, which are searched with all their folders, and patterns with `*`, `?`, `[...]` and `**`.
        library: Folder or URI of the library; None without a library.

    Raises:
        RecordingsMissing: If there is no file.
    """
    own = None if library is None else os.path.abspath(library) + os.sep  # noqa: PTH100 - resolve() would follow links
    found = {os.path.abspath(path) for pattern in patterns for path in _matches(pattern)}  # noqa: PTH100
    files = sorted(path for path in found if own is None or not path.startswith(own))
    if not files:
        raise RecordingsMissing(" ".join(patterns))
    return files


def _matches(pattern: str) -> Iterator[str]:
    for path in [pattern] if os.path.lexists(pattern) else glob.iglob(pattern, recursive=True):  # noqa: PTH207 - absolute patterns
        if os.path.isdir(path):  # noqa: PTH112
            if path == pattern:
                yield from _files_below(path)
        elif os.path.lexists(path):  # glob also yields the folder before ** if there is no such folder
            yield path


def _files_below(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.join(parent, name) for name in names if not name.startswith("."))  # noqa: PTH118


def is_named_like_audio(path: str) -> bool:
    """Whether the ending of a file's name is one of audio or video."""
    media_type = mimetypes.guess_type(Path(path).name)[0] or ""
    return media_type.partition("/")[0] in ("audio", "video")


def id_of_path(path: str) -> str:
    """Id of the recording of a file: a digest of its absolute path, so that a changed file keeps its id."""
    return hashlib.sha256(b"path\0" + os.fsencode(path)).hexdigest()[:32]
