"""The first stage of a search: the stretches that are most like a query.

The index, or a comparison with each moment vector, gives the stretches whose means are the most similar. Their cells put them
in order; see `service.library.cells`. Only cells of candidates that may matter are read, because that takes most of the time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.core.library_errors import LibraryDamaged
from service.library.cells import best_similarities
from service.library.moments import padded_dimension
from service.library.snapshot import Snapshot
from service.library.store import Library
from service.library.tables import number_list, reporting_damage

MAX_LISTED = 5000
"""Up to this number of recordings, a filter is a list of their generations; beyond it, more candidates are read and filtered."""
MAX_CANDIDATES = 20_000
_COLUMNS = ["generation", "first_frame", "end_frame", "_rowid", "_distance"]
MIN_PROBES = 24
"""Number of inverted lists that are searched at least. LanceDB searches more of them if a filter leaves too few candidates."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Candidates of a query, those with the most similar means first.

    Attributes:
        location: Folder or URI of the library.
        table: The table of moments, at the version that was searched.
        rows: Row of the recording in the snapshot, shape (C,).
        first_frames: First frame of each candidate, shape (C,).
        end_frames: Frame after each candidate, shape (C,).
        similarities: Similarity of the mean of each candidate, as the index estimates it, shape (C,).
        addresses: Addresses of the candidates in the table, shape (C,).
        is_complete: Whether no other moment vector exists.
    """

    location: str
    table: Any
    rows: NDArray[np.int64]
    first_frames: NDArray[np.int64]
    end_frames: NDArray[np.int64]
    similarities: NDArray[np.float32]
    addresses: NDArray[np.int64]
    is_complete: bool

    def best_cells(self, numbers: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes the largest similarity of the cells of some candidates with the query, shape (N,).

        Raises:
            LibraryDamaged: If cells are missing or damaged.
        """
        if not len(numbers):
            return np.zeros(0, np.float32)
        addresses = self.addresses[numbers]
        order = np.argsort(addresses)
        with reporting_damage(self.location):
            found = self.table.take_row_ids(addresses[order].tolist()).select(["_rowid", "cells"]).to_arrow()
            came = found["_rowid"].to_numpy().astype(np.int64)
            similarities = np.empty(len(numbers), np.float32)
            back = np.argsort(came)
            if not np.array_equal(came[back], addresses[order]):
                raise LookupError(f"{len(numbers) - len(came)} moments are missing")
            similarities[order] = best_similarities(found["cells"].combine_chunks(), query)[back]
        return similarities


def find_candidates(library: Library, snapshot: Snapshot, query: NDArray[np.float32], n_candidates: int) -> Candidates:
    """Finds the stretches whose moment vectors have the largest products with a query.

    Args:
        library: The library.
        snapshot: The recordings that are searched.
        query: The query embedding, shape (D,).
        n_candidates: How many candidates are wanted. There may be fewer, and more are read if a filter drops some.

    Raises:
        LibraryDamaged: If the moments cannot be read, or if a candidate is no stretch of its recording.
    """
    vector = np.zeros(padded_dimension(len(query)), np.float32)
    vector[: len(query)] = query
    limit, listed = n_candidates, len(snapshot.generations) <= MAX_LISTED and not snapshot.covers_all
    if not listed and not snapshot.covers_all:
        limit = round(n_candidates * snapshot.n_in_library / len(snapshot.generations))
    limit = max(1, min(limit, MAX_CANDIDATES))
    with reporting_damage(library.location):
        table = library.moments.latest()
        search = table.search(vector).distance_type("dot").limit(limit).minimum_nprobes(MIN_PROBES).maximum_nprobes(0)
        if listed:
            search = search.where(f"generation IN {number_list(snapshot.generations.tolist())}", prefilter=True)
        found = search.select(_COLUMNS).to_arrow()
        columns = {name: found[name].to_numpy() for name in _COLUMNS}
    rows, similarities = snapshot.rows_of(columns["generation"]), 1 - columns["_distance"]
    order = np.argsort(-similarities, kind="stable")
    order = order[rows[order] >= 0]  # without recordings that a filter leaves out, and left-overs of writers
    first_frames, end_frames, addresses = (
        columns[name][order].astype(np.int64) for name in ("first_frame", "end_frame", "_rowid")
    )
    rows, is_complete = rows[order], len(found) < limit
    damaged = (first_frames < 0) | (end_frames <= first_frames) | (end_frames > snapshot.n_frames[rows])
    if damaged.any():
        place = int(np.argmax(damaged))
        generation = int(snapshot.generations[rows[place]])
        names = library.recordings(["path", "id"], f"generation = {generation}").to_pylist()
        name = names[0]["path"] or names[0]["id"] if names else "a recording that was removed"
        reason = f"the moment of frames {first_frames[place]} to {end_frames[place]} of {name}"
        raise LibraryDamaged(library.location, reason)
    return Candidates(
        library.location, table, rows, first_frames, end_frames, similarities[order], addresses, is_complete
    )
