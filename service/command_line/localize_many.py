"""`earmark localize` over many recordings: a table that a killed run continues, with progress on standard error."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from service.client.many import in_order
from service.client.progress import Progress
from service.command_line.counts import counted
from service.command_line.journal import Journal, errors_path, journal_path, open_journal
from service.command_line.recording_localizers import (
    RecordingError,
    RecordingLocalizer,
    Task,
    open_local_localizer,
    open_service_localizer,
)
from service.command_line.table_rows import header
from service.library.files import find_files, is_named_like_audio
from service.standard_streams import write_line

EXIT_SOME_FAILED = 1
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
_EXIT_INTERRUPTED = 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a recording: its rows or its error."""

    file: str
    rows: str = ""
    error: RecordingError | None = None


def run_many(args: argparse.Namespace, task: Task, key: str | None) -> None:
    """Localizes the recordings that a folder or a pattern names, and writes a table.

    Args:
        args: Arguments of the command.
        task: What is done with every recording.
        key: API key of the service.

    Raises:
        EarmarkError: If no recording can be localized, or the files cannot be continued.
        OSError: If a file cannot be written.
        SystemExit: With status 1 if a recording has an error.
    """
    logging.getLogger("service").addHandler(logging.NullHandler())  # errors are in their file
    pattern, output = str(args.clip), Path(args.output)
    own = {os.path.abspath(path) for path in (output, errors_path(output), journal_path(output))}  # noqa: PTH100 - as find_files
    files = [_shown_path(path, pattern) for path in find_files([pattern]) if path not in own]
    opened: AbstractContextManager[RecordingLocalizer] = (
        open_service_localizer(args.server, key, task)
        if args.server
        else open_local_localizer(args.bundle, args.device, task)
    )
    with opened as localizer:
        command = asdict(task) | {"model": localizer.model}
        with open_journal(output, header(task.form), command) as journal:
            pending = [file for file in files if file not in journal.done]
            n_before, n_failed = len(files) - len(pending), journal.n_failed
            _localize(localizer, pending, journal)
            n_failed = journal.n_failed - n_failed
            before = f", {n_before} done before" if n_before else ""
            failed = f", {n_failed} failed" if n_failed else ""
            done = f"{counted(len(pending) - n_failed, 'recording')} localized{failed}{before}"
            listed = f"; see {errors_path(output)}" if journal.n_failed else ""
            write_line(sys.stderr, f"earmark: {done}{listed}")
            if journal.n_failed:
                raise SystemExit(EXIT_SOME_FAILED)


def _localize(localizer: RecordingLocalizer, files: list[str], journal: Journal) -> None:
    progress = Progress(len(files))
    try:
        with closing(in_order(lambda file: _outcome(localizer, file), files, localizer.n_parallel)) as outcomes:
            try:
                for outcome in _with_query_warnings(outcomes, localizer):
                    error = outcome.error
                    if error is not None and error.is_format and not is_named_like_audio(outcome.file):
                        error = None  # a file beside the recordings
                    journal.add(outcome.file, outcome.rows, (error.name, str(error)) if error else None)
                    progress.advance()
            except KeyboardInterrupt:
                _end_at_once(journal, progress)
            except BaseException:
                localizer.stop()  # otherwise the pool of threads waits for recordings in progress
                raise
    finally:
        if files:
            progress.finish()


def _outcome(localizer: RecordingLocalizer, file: str) -> _Outcome:
    try:
        return _Outcome(file, rows=localizer.rows(file))
    except RecordingError as error:
        return _Outcome(file, error=error)


def _with_query_warnings(outcomes: Iterator[_Outcome], localizer: RecordingLocalizer) -> Iterator[_Outcome]:
    """Passes outcomes on, and writes the warnings about the queries once."""
    is_written = False
    for outcome in outcomes:
        if outcome.error is None and not is_written:
            is_written = True
            for message in localizer.query_warnings():
                write_line(sys.stderr, f"earmark: warning: {message}")
        yield outcome


def _end_at_once(journal: Journal, progress: Progress) -> NoReturn:
    """Ends the process after Ctrl-C without waiting for recordings in progress; everything that is done is written."""
    journal.close()
    progress.finish()
    done = counted(len(journal.done), "recording is done", "recordings are done")
    write_line(sys.stderr, f"earmark: {done}; the same command does the rest")
    os._exit(_EXIT_INTERRUPTED)


def _shown_path(path: str, pattern: str) -> str:
    """The path as the user would write it: absolute if the pattern is, and otherwise relative to the current folder.

    A relative path that spreadsheets would compute as a formula, such as "=1+1.wav", begins with "./".
    """
    if os.path.isabs(pattern):  # noqa: PTH117
        return path
    relative = os.path.relpath(path)
    return f".{os.sep}{relative}" if relative.startswith(_FORMULA_SIGNS) else relative
