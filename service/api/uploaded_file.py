"""A file that is being uploaded: small ones stay in memory while there is room, the others are written to disk."""

import contextlib
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import anyio.to_thread

from service.core.errors import AudioTooLarge
from service.temporary_space import storage_errors

_IN_MEMORY_BYTES = 1 << 20
ALL_IN_MEMORY_BYTES = 64 << 20


class UploadMemory:
    """Bytes of all uploads that are in memory; used by the event loop's thread only.

    Args:
        max_bytes: Total size from which files are written to disk, whatever their size.
    """

    def __init__(self, max_bytes: int = ALL_IN_MEMORY_BYTES) -> None:
        self._max_bytes = max_bytes
        self.n_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether files must be written to disk, whatever their size."""
        return self.n_bytes > self._max_bytes


class UploadedFile:
    """A file whose content arrives in pieces; the caller closes it.

    Args:
        max_bytes: Maximum size of the file.
        memory: Counts the bytes that this file and others have in memory.
    """

    def __init__(self, max_bytes: int, memory: UploadMemory) -> None:
        self._max_bytes, self._memory = max_bytes, memory
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `close`
        self._unwritten: list[bytes] = []
        self._n_unwritten = self._n_bytes = self._n_in_memory = 0
        self._is_on_disk = False

    def add(self, piece: bytes) -> None:
        """Adds a piece, which is kept in memory until it is written.

        Raises:
            AudioTooLarge: If the file is too large.
        """
        self._n_bytes += len(piece)
        if self._n_bytes > self._max_bytes:
            raise AudioTooLarge(self._max_bytes)
        self._unwritten.append(piece)
        self._n_unwritten += len(piece)
        self._count(len(piece))

    async def write_if_needed(self) -> None:
        """Writes the pieces to disk if they are many or the memory is full; in a thread, because this may block.

        Raises:
            TemporarySpaceFull: If the file cannot be written.
        """
        if self._n_unwritten and (self._n_unwritten >= _IN_MEMORY_BYTES or self._memory.is_full):
            await anyio.to_thread.run_sync(self._write_out, True)
            self._count(-self._n_in_memory)

    def complete(self) -> BinaryIO:
        """Writes the last pieces, and returns the file at its first byte.

        Raises:
            TemporarySpaceFull: If the file cannot be written.
        """
        self._write_out(self._n_bytes > _IN_MEMORY_BYTES)
        if self._is_on_disk:
            self._count(-self._n_in_memory)
        self._file.seek(0)
        return cast(BinaryIO, self._file)

    def close(self) -> None:
        """Deletes the file."""
        self._unwritten = []
        self._count(-self._n_in_memory)
        with contextlib.suppress(OSError):  # bytes that could not be written are written once more
            self._file.close()

    def _write_out(self, to_disk: bool) -> None:
        with storage_errors():
            if to_disk and not self._is_on_disk:
                self._file.rollover()
                self._is_on_disk = True
            self._file.writelines(self._unwritten)
        self._unwritten, self._n_unwritten = [], 0

    def _count(self, n_bytes: int) -> None:
        self._n_in_memory += n_bytes
        self._memory.n_bytes += n_bytes
