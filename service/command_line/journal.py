"""The files that a run over many recordings writes: rows, errors and a journal, so that the run can be killed and resumed."""

import fcntl
import json
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from service.core.errors import ParameterInvalid
from service.formats.tables import csv_text

_VERSION = 1
_ERROR_COLUMNS = ("file", "error", "message")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal: a recording that is done, and where the other files end after it.

    Attributes:
        file: Path of the recording.
        rows_end: Size of the rows, in bytes.
        errors_end: Size of the errors, in bytes.
        failed: Whether the recording has an error.
    """

    file: str
    rows_end: int
    errors_end: int
    failed: bool


class Journal:
    """The files of a run. A recording is done when its line is in the journal, which is written after its rows.

    What a killed run wrote after its last complete line is cut off before the first recording is added.

    Args:
        path: File of the rows.
        header: First line of the file of the rows.
        file: The open journal.
        kept: Size of the lines of the journal that are kept, in bytes.
        entries: The recordings that are done.
    """

    def __init__(self, path: Path, header: str, file: BinaryIO, kept: int, entries: Sequence[Entry]) -> None:
        self.done = {entry.file: entry for entry in entries}
        self._path, self._header, self._file, self._kept = path, header.encode(), file, kept
        self._rows_end, self._errors_end = (entries[-1].rows_end, entries[-1].errors_end) if entries else (0, 0)
        self._rows: BinaryIO | None = None
        self._errors: BinaryIO | None = None

    @property
    def n_failed(self) -> int:
        """Number of recordings with an error, in this run and in earlier ones."""
        return sum(entry.failed for entry in self.done.values())

    def add(self, file: str, rows: str = "", error: tuple[str, str] | None = None) -> None:
        """Writes the rows of a recording, or its error: a name and a message.

        Raises:
            OSError: If a file cannot be written. Then the recording is not done.
        """
        rows_file = self._rows or self._begin()
        self._rows_end += _append(rows_file, rows.encode(errors="replace"))
        if error is not None:
            errors_file = self._errors or self._begin_errors()
            self._errors_end += _append(errors_file, _csv_line(_shown(file), *error))
        entry = Entry(file, self._rows_end, self._errors_end, failed=error is not None)
        _append(self._file, _line([entry.file, entry.rows_end, entry.errors_end, entry.failed]))
        self.done[file] = entry

    def close(self) -> None:
        """Closes the files."""
        for file in (self._rows, self._errors, self._file):
            if file is not None:
                os.fsync(file.fileno())
                file.close()

    def _begin(self) -> BinaryIO:
        rows = self._rows = self._path.open("ab", buffering=0)
        rows.truncate(self._rows_end)
        if errors_path(self._path).exists():
            os.truncate(errors_path(self._path), self._errors_end)
        self._file.truncate(self._kept)
        if self._rows_end == 0:
            self._rows_end = _append(rows, self._header)
        return rows

    def _begin_errors(self) -> BinaryIO:
        errors = self._errors = errors_path(self._path).open("ab", buffering=0)
        if self._errors_end == 0:
            self._errors_end = _append(errors, _csv_line(*_ERROR_COLUMNS))
        return errors


def errors_path(path: Path) -> Path:
    """The file of the errors: out.errors.csv for out.csv, and out.tsv.errors.csv for out.tsv."""
    return path.with_suffix(".errors.csv") if path.suffix == ".csv" else path.with_name(f"{path.name}.errors.csv")


def journal_path(path: Path) -> Path:
    """The file of the journal: out.csv.journal for out.csv."""
    return path.with_name(f"{path.name}.journal")


@contextmanager
def open_journal(path: Path, header: str, command: Mapping[str, Any]) -> Generator[Journal]:
    """Opens the files of a run, and continues those of an earlier run of the same command.

    Args:
        path: File of the rows, such as out.csv.
        header: First line of the file of the rows.
        command: Everything that decides the rows of a recording, as JSON.

    Raises:
        ParameterInvalid: If the file of the rows is not that of an earlier run of the same command, or if another run
            is writing it.
        OSError: If a file cannot be opened.
    """
    if path.is_dir():
        raise ParameterInvalid("the output", f"{path}, a folder", "a file, such as out.csv")
    with journal_path(path).open("a+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ParameterInvalid("the output", f"{path}, which another run is writing", "another file") from error
        file.seek(0)
        first, *lines = file.read().split(b"\n")
        head = _line([_VERSION, command])
        sizes = _size(path), _size(errors_path(path))
        if not lines:
            _begin_journal(path, file, head, sizes)
        elif first + b"\n" != head:
            accepted = f"a new file, or the command with which {path} was begun"
            raise ParameterInvalid("the output", f"{path}, which was begun with other queries or options", accepted)
        entries = list(_entries(lines[:-1], *sizes))
        kept = len(head) + sum(len(line) + 1 for line in lines[: len(entries)])
        journal = Journal(path, header, file, kept, entries)
        try:
            yield journal
        finally:
            journal.close()


def _begin_journal(path: Path, file: BinaryIO, head: bytes, sizes: tuple[int, int]) -> None:
    """Writes the first line of a journal, unless the files of its run exist already."""
    for existing, size in zip((path, errors_path(path)), sizes, strict=True):
        if size:
            journal_path(path).unlink()
            raise ParameterInvalid("the output", f"{existing}, which no run of this command has begun", "a new file")
    file.truncate(0)
    _append(file, head)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _entries(lines: list[bytes], rows_size: int, errors_size: int) -> Generator[Entry]:
    """The entries whose rows and errors are all in the files; the last bytes may be lost after a power failure."""
    for line in lines:
        try:
            entry = Entry(*cast(list[Any], json.loads(line)))
        except (ValueError, TypeError):
            return
        if entry.rows_end > rows_size or entry.errors_end > errors_size:
            return
        yield entry


def _append(file: BinaryIO, content: bytes) -> int:
    """Writes bytes completely, and returns their number."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
    return len(content)


def _line(content: object) -> bytes:
    return json.dumps(content, sort_keys=True).encode() + b"\n"


def _csv_line(*cells: str) -> bytes:
    return csv_text([cells]).encode(errors="replace")


def _shown(file: str) -> str:
    return file.encode(errors="replace").decode()
