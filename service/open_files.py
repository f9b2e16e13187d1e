"""How many files the process may open, and so how many connections it can have."""

import contextlib
import logging
import resource

_OTHER_DESCRIPTORS = 256
"""Descriptors for everything but connections: the decoders, the model, the libraries."""
_FEWEST_CONNECTIONS = 16
_MAX_REFUSED = 8192
_FEWEST_REFUSED = 32

log = logging.getLogger(__name__)


def limit_connections(max_connections: int) -> tuple[int, int]:
    """Raises the number of files that the process may open, and returns how many connections it can have.

    A connection with a request may need two descriptors: its socket, and a file for its upload.

    Returns:
        The number of connections that can have a request, at most `max_connections`, and the number of further connections
        that can be accepted to refuse their requests.
    """
    max_files = _raise_max_files(2 * max_connections + _OTHER_DESCRIPTORS + _MAX_REFUSED)
    possible = max(_FEWEST_CONNECTIONS, (max_files - _OTHER_DESCRIPTORS - _FEWEST_REFUSED) // 2)
    if possible < max_connections:
        log.info(
            "the process may open too few files for EARMARK_MAX_CONNECTIONS",
            extra={"max_files": max_files, "max_connections": possible},
        )
        max_connections = possible
    n_refused = max_files - _OTHER_DESCRIPTORS - 2 * max_connections
    return max_connections, max(_FEWEST_REFUSED, min(n_refused, _MAX_REFUSED))


def _raise_max_files(needed: int) -> int:
    """Raises the number of files that the process may open to `needed` if possible; returns the number, at most `needed`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    with contextlib.suppress(OSError, ValueError):
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
