"""The lock that lets one process at a time change a library in a folder, and the mark of a change that was not finished."""

import fcntl
import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from service.core.start_errors import LibraryNotWritable
from service.library.tables import is_object_store

LOCK_FILE = ".lock"
MARK_FILE = ".unfinished"
STAGING_FILE = ".staging"


class WriteLock:
    """Lock of a library. An object store has no lock, so only one process at a time may write there.

    Args:
        location: Folder or URI of the library.
    """

    def __init__(self, location: str) -> None:
        self._location = location
        self._folder = None if is_object_store(location) else Path(location)

    @property
    def is_exclusive(self) -> bool:
        """Whether the lock excludes other writers."""
        return self._folder is not None

    @contextmanager
    def hold(self) -> Generator[None]:
        """Waits until no other process or thread changes the library. The lock of a killed process is free.

        Raises:
            LibraryNotWritable: If the folder of the library cannot be written.
        """
        if self._folder is None:
            yield
            return
        with self._locked(self._folder / LOCK_FILE, fcntl.LOCK_EX):
            yield

    @contextmanager
    def staging(self) -> Generator[None]:
        """Says while the block runs that fragments are written which no commit names yet; any number of blocks may run.

        Raises:
            LibraryNotWritable: If the folder of the library cannot be written.
        """
        if self._folder is None:
            yield
            return
        with ExitStack() as stack:
            with self.hold():  # no compaction runs
                stack.enter_context(self._locked(self._folder / STAGING_FILE, fcntl.LOCK_SH))
            yield

    @property
    def is_staging(self) -> bool:
        """Whether a `staging` block runs, in any process."""
        if self._folder is None or not (self._folder / STAGING_FILE).exists():
            return False
        descriptor = os.open(self._folder / STAGING_FILE, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextmanager
    def marking(self) -> Generator[None]:
        """Keeps the mark while the block runs; the mark stays if the block fails or the process is killed."""
        if self._folder is not None:
            (self._folder / MARK_FILE).touch()
        yield
        self.clear_mark()

    def clear_mark(self) -> None:
        """Removes the mark."""
        if self._folder is not None:
            (self._folder / MARK_FILE).unlink(missing_ok=True)

    @property
    def is_marked(self) -> bool:
        """Whether an earlier change was not finished."""
        return self._folder is not None and (self._folder / MARK_FILE).exists()

    @contextmanager
    def _locked(self, file: Path, operation: int) -> Generator[None]:
        """Holds the lock of a file, which is made with its folder if it does not exist."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise LibraryNotWritable(self._location, error.strerror or str(error)) from error
        try:
            fcntl.flock(descriptor, operation)
            yield
        finally:
            os.close(descriptor)
