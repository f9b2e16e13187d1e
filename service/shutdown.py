"""Whether the process is about to end, and whether because it failed: told by whoever notices, asked by all."""

import threading


class Shutdown:
    """Known to all parts from the start; may be told from any thread, and cannot be taken back."""

    def __init__(self) -> None:
        self._begun, self._failed = threading.Event(), threading.Event()

    def begin(self) -> None:
        """Tells that the process takes nothing new, and ends when it has finished what it does."""
        self._begun.set()

    def fail(self) -> None:
        """Tells that the process cannot do its work any longer."""
        self._failed.set()
        self._begun.set()

    @property
    def has_begun(self) -> bool:
        """Whether nothing new is taken."""
        return self._begun.is_set()

    @property
    def has_failed(self) -> bool:
        """Whether it ends because it cannot do its work."""
        return self._failed.is_set()
