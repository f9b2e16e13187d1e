"""Standard input, output and error of the process, any of which may be closed, full or without a reader."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO


def open_standard_streams() -> None:
    """Opens the standard streams that are closed on /dev/null, so that no socket gets the number of such a stream.

    Standard output is opened for reading only. A write fails as it does without a standard output, so a command whose
    results nobody can receive does not succeed. Messages on standard error are lost.
    """
    modes = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)
    for descriptor, mode in enumerate(modes):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free number
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - None if it was closed
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115


def write_line(stream: TextIO, line: str) -> None:
    """Writes a line to standard output or standard error; if it cannot be written, this and all later lines are lost."""
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except OSError:
        discard(stream)


def discard_if_unwritable(stream: TextIO) -> None:
    """Discards what is buffered in a standard stream, and all later text, if it cannot be written."""
    try:
        stream.flush()
    except OSError:
        discard(stream)


def discard(stream: TextIO) -> None:
    """Sends what is still buffered in a standard stream, and all later text, to /dev/null.

    Otherwise Python writes the buffered text again at its exit, and complains.
    """
    with contextlib.suppress(OSError), Path(os.devnull).open("w") as null:
        os.dup2(null.fileno(), stream.fileno())
