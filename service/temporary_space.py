"""The directory for temporary files, to which large uploads are written."""

import errno
import logging
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager

from service.core.errors import DescriptorsExhausted, TemporarySpaceFull
from service.core.start_errors import TemporarySpaceUnavailable
from service.logs import Throttle

_PROBE_BYTES = 64 << 10
DESCRIPTORS_EXHAUSTED = (errno.EMFILE, errno.ENFILE)
STORAGE_FULL = (errno.ENOSPC, errno.EDQUOT)

log = logging.getLogger(__name__)
_throttle = Throttle()


def check_temporary_space() -> None:
    """Writes a small temporary file, to check that uploads can be received.

    Raises:
        TemporarySpaceUnavailable: If no file can be written in TMPDIR, or in the default directories if it is not set.
    """
    directory = os.environ.get("TMPDIR", "")
    try:
        directory = directory or tempfile.gettempdir()
        _probe(directory)
        tempfile.tempdir = directory  # otherwise another directory is taken silently if this one vanishes
    except OSError as error:
        reason = error.strerror or str(error)
        raise TemporarySpaceUnavailable(directory or "the directories for temporary files", reason) from error


def degraded() -> list[str]:
    """Returns ["temporary-space"] if no temporary file can be written now, otherwise []; may block."""
    try:
        _probe(tempfile.gettempdir())
    except OSError:
        return ["temporary-space"]
    return []


@contextmanager
def storage_errors() -> Generator[None]:
    """Translates the failure to create or write a temporary file, and logs it at most once a minute.

    Raises:
        DescriptorsExhausted: If the process cannot open another file.
        TemporarySpaceFull: If the file cannot be created or written for another reason.
    """
    try:
        yield
    except OSError as error:
        if _throttle.is_due():
            fields = {"directory": tempfile.gettempdir(), "reason": error.strerror}
            log.error("a temporary file for an upload cannot be written", extra=fields)
        raise (DescriptorsExhausted if error.errno in DESCRIPTORS_EXHAUSTED else TemporarySpaceFull) from error


def _probe(directory: str) -> None:
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        if file.write(bytes(_PROBE_BYTES)) < _PROBE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
