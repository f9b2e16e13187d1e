"""A file that is being uploaded: small ones stay in memory, large ones are written to a temporary file."""

import contextlib
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import anyio.to_thread

from service.core.errors import AudioTooLarge
from service.temporary_space import storage_errors

_IN_MEMORY_BYTES = 1 << 20


class UploadedFile:
    """A file whose content arrives in pieces; the caller closes it.

    Args:
        max_bytes: Maximum size of the file.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._file = cast(BinaryIO, SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES))  # noqa: SIM115 - closed by `close`
        self._unwritten: list[bytes] = []
        self._n_unwritten = self._n_bytes = 0

    def add(self, piece: bytes) -> None:
        """Adds a piece, which is kept in memory until `write_out`.

        Raises:
            AudioTooLarge: If the file is too large.
        """
        self._n_bytes += len(piece)
        if self._n_bytes > self._max_bytes:
            raise AudioTooLarge(self._max_bytes)
        self._unwritten.append(piece)
        self._n_unwritten += len(piece)

    async def write_if_large(self) -> None:
        """Writes the pieces that are in memory if there are many; in a thread, because the file can be on disk.

        Raises:
            TemporarySpaceFull: If the file cannot be written.
        """
        if self._n_unwritten >= _IN_MEMORY_BYTES:
            await anyio.to_thread.run_sync(self._write_out)

    def complete(self) -> BinaryIO:
        """Writes the last pieces, and returns the file at its first byte.

        Raises:
            TemporarySpaceFull: If the file cannot be written.
        """
        self._write_out()
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Deletes the file."""
        with contextlib.suppress(OSError):  # bytes that could not be written are written once more
            self._file.close()

    def _write_out(self) -> None:
        with storage_errors():
            self._file.writelines(self._unwritten)
        self._unwritten, self._n_unwritten = [], 0
