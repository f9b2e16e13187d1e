"""The recordings of a library at one time, as a search needs them: compact arrays, sorted by generation."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.library.recording import Recording
from service.library.store import Library
from service.library.tables import in_portions, number_list, reporting_damage

_KEPT = 8
_KEPT_ROWS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The recordings that a search covers.

    Attributes:
        generations: Generations of the R recordings, sorted, shape (R,).
        n_frames: Number of frames of each recording, shape (R,).
        durations_s: Length of each recording, in seconds, shape (R,).
        n_in_library: Number of all recordings of the library.
    """

    generations: NDArray[np.int64]
    n_frames: NDArray[np.int64]
    durations_s: NDArray[np.float64]
    n_in_library: int

    @property
    def covers_all(self) -> bool:
        """Whether the search covers the whole library."""
        return len(self.generations) == self.n_in_library

    @property
    def searched_s(self) -> float:
        """Total length of the recordings, in seconds."""
        return float(self.durations_s.sum())

    def rows_of(self, generations: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row of each generation, shape (N,); -1 for a generation that is not covered."""
        rows = np.searchsorted(self.generations, generations)
        rows[rows == len(self.generations)] = 0
        known = len(self.generations) > 0
        return np.where(known and self.generations[rows] == generations, rows, -1) if known else np.full(len(rows), -1)


class Snapshots:
    """Reads snapshots, and keeps those that are still current; safe to use from several threads."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._kept: OrderedDict[tuple[int, str], Snapshot] = OrderedDict()
        self._rows: dict[int, Recording] = {}
        self._rows_version = -1
        self._lock = threading.Lock()

    def read(self, condition: str = "") -> Snapshot:
        """The recordings that a checked condition selects; all if it is empty."""
        with reporting_damage(self._library.location):
            version = self._library.tables.recordings.version
        key = (version, condition)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        table = self._library.recordings(["generation", "n_frames", "duration_s"], condition or None)
        with reporting_damage(self._library.location):
            n_in_library = len(table) if not condition else self._library.tables.recordings.count_rows()
        generations = table["generation"].to_numpy()
        order = np.argsort(generations)
        snapshot = Snapshot(
            generations[order], table["n_frames"].to_numpy()[order], table["duration_s"].to_numpy()[order], n_in_library
        )
        with self._lock:
            self._kept[key] = snapshot
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return snapshot

    def recordings(self, generations: Sequence[int]) -> dict[int, Recording]:
        """The recordings of some generations, by generation; without those that were removed."""
        with reporting_damage(self._library.location):
            version = self._library.tables.recordings.version
        with self._lock:
            rows = self._rows if self._rows_version == version else {}
            found = {generation: rows[generation] for generation in generations if generation in rows}
        unknown = sorted(set(generations) - set(found))
        for part in in_portions(unknown):
            for row in self._library.recordings(where=f"generation IN {number_list(part)}").to_pylist():
                found[row["generation"]] = Recording.of_row(row)
        if unknown:
            with self._lock:
                is_current = self._rows_version == version and len(self._rows) + len(found) <= _KEPT_ROWS
                self._rows, self._rows_version = {**self._rows, **found} if is_current else dict(found), version
        return found
