"""Shutdown state of the process, which all parts share."""

import threading
import time


class Shutdown:
    """Whether the process is shutting down, and whether because of a failure; thread-safe and irreversible."""

    def __init__(self) -> None:
        self._begun, self._failed = threading.Event(), threading.Event()
        self._begun_s: float | None = None

    def begin(self) -> None:
        """Begins the shutdown: new requests are refused, and the process exits after the running requests."""
        if self._begun_s is None:
            self._begun_s = time.monotonic()
        self._begun.set()

    def fail(self) -> None:
        """Begins the shutdown because the process can no longer do its work."""
        self._failed.set()
        self.begin()

    @property
    def has_begun(self) -> bool:
        """Whether the shutdown has begun, so that new requests are refused."""
        return self._begun.is_set()

    @property
    def has_failed(self) -> bool:
        """Whether the shutdown was caused by a failure."""
        return self._failed.is_set()

    @property
    def elapsed_s(self) -> float:
        """Time since the shutdown began, in seconds; 0 if it has not begun."""
        return 0.0 if self._begun_s is None else time.monotonic() - self._begun_s
