"""The recording and the queries of a command line: files, pipes and standard input."""

import mimetypes
import os
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from service.core.errors import EarmarkError, ParameterInvalid

STANDARD_INPUT = "-"


@contextmanager
def open_clip(path: Path) -> Generator[BinaryIO]:
    """Opens a recording as a seekable file; what comes through a pipe is copied to a temporary file first.

    Args:
        path: A file, a named pipe, or `-` for standard input.

    Raises:
        ParameterInvalid: If standard input is a terminal.
        OSError: If the recording cannot be read.
    """
    if str(path) != STANDARD_INPUT:
        with path.open("rb") as clip:
            if clip.seekable():
                yield clip
            else:
                with _copy(clip) as copy:
                    yield copy
        return
    if sys.stdin is None or sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison] - None if it is closed
        came = "- (standard input), which is a terminal or closed"
        raise ParameterInvalid("CLIP", came, "a recording from a file or a pipe: earmark localize - ... < clip.wav")
    with _copy(sys.stdin.buffer) as copy:
        yield copy


@contextmanager
def _copy(stream: BinaryIO) -> Generator[BinaryIO]:
    with TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def clip_name(path: Path) -> str:
    """Name of a recording, for people; a name that is not UTF-8 has question marks."""
    name = "standard input" if str(path) == STANDARD_INPUT else path.name
    return name.encode(errors="replace").decode()


def check_no_query_is_a_file(queries: Sequence[str]) -> None:
    """Refuses a query that is the path of a recording: several recordings were given, where one is accepted.

    Raises:
        ParameterInvalid: If a query is the path of an audio file.
    """
    for number, query in enumerate(queries, start=1):
        if os.path.isfile(query) and _is_audio(Path(query)):  # noqa: PTH113 - false for a text that can be no path
            accepted = "one recording, a folder, or a pattern in quotation marks such as '*.wav', and then sounds in plain words"
            raise ParameterInvalid(f"query {number}", f"{query}, an audio file", accepted)


def _is_audio(path: Path) -> bool:
    media_type = mimetypes.guess_type(path.name)[0] or ""
    if media_type.partition("/")[0] in ("audio", "video"):
        return True
    from service.engine.containers import identify

    try:
        with path.open("rb") as file:
            identify(file)
    except (EarmarkError, OSError):
        return False
    return True
