"""Counters of the decoder processes, and the report that the metrics are made from."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

DecoderFailure = Literal["crashed", "hung", "killed"]
"""How a process failed while it decoded a clip: it ended by its fault, it stopped answering, or it was killed from outside."""


@dataclass(frozen=True, slots=True)
class DecoderReport:
    """Counters and state of the decoder processes.

    Attributes:
        n_processes: Number of running processes.
        n_busy: Number of processes that are decoding a clip.
        n_starts: Number of processes that have been started.
        failures: Number of processes that failed while they decoded a clip, by the kind of failure.
    """

    n_processes: int
    n_busy: int
    n_starts: int
    failures: Mapping[DecoderFailure, int]


class DecoderCounts:
    """The counters of one pool of decoders; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_busy = self._n_starts = 0
        self._failures: dict[DecoderFailure, int] = dict.fromkeys(get_args(DecoderFailure), 0)

    def add_start(self) -> None:
        """Counts a process that was started."""
        with self._lock:
            self._n_starts += 1

    def add_busy(self, change: int) -> None:
        """Adds 1 to the number of busy processes when a process is taken, and -1 when it is given back."""
        with self._lock:
            self._n_busy += change

    def add_failure(self, failure: DecoderFailure) -> None:
        """Counts a process that failed while it decoded a clip."""
        with self._lock:
            self._failures[failure] += 1

    def report(self, n_idle: int) -> DecoderReport:
        """Returns the counters, given the number of processes that wait for a clip."""
        with self._lock:
            return DecoderReport(n_idle + self._n_busy, self._n_busy, self._n_starts, dict(self._failures))


class NoDecoders:
    """The pool of a service that decodes clips in its own process: it has no processes and no failures."""

    def report(self) -> DecoderReport:
        """Returns counters that are all zero."""
        return DecoderCounts().report(n_idle=0)

    def degraded(self) -> list[str]:
        """Returns an empty list."""
        return []
