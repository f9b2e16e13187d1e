"""The first stage of a search: the stretches that are most like a query.

The index, or a comparison with each moment vector, gives the stretches whose means are the most similar. Their cells put them in
order; see `service.library.cells`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.library.cells import best_similarities
from service.library.moments import padded_dimension
from service.library.snapshot import Snapshot
from service.library.store import Library
from service.library.tables import number_list, reporting_damage

MAX_LISTED = 5000
"""Up to this number of recordings, a filter is a list of their generations; beyond it, more candidates are read and filtered."""
MAX_CANDIDATES = 20_000
_COLUMNS = ("generation", "first_frame", "end_frame", "cells")
MIN_PROBES = 24
"""Number of inverted lists that are searched at least. LanceDB searches more of them if a filter leaves too few candidates."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Candidates of a query, the most similar first.

    Attributes:
        rows: Row of the recording in the snapshot, shape (C,).
        first_frames: First frame of each candidate, shape (C,).
        end_frames: Frame after each candidate, shape (C,).
        similarities: Largest similarity of the cells of each candidate, shape (C,).
        is_complete: Whether no other moment vector exists.
    """

    rows: NDArray[np.int64]
    first_frames: NDArray[np.int64]
    end_frames: NDArray[np.int64]
    similarities: NDArray[np.float32]
    is_complete: bool


def find_candidates(library: Library, snapshot: Snapshot, query: NDArray[np.float32], n_candidates: int) -> Candidates:
    """Finds the stretches whose moment vectors have the largest products with a query, and orders them by their cells.

    Args:
        library: The library.
        snapshot: The recordings that are searched.
        query: The query embedding, shape (D,).
        n_candidates: How many candidates are wanted. There may be fewer, and more are read if a filter drops some.
    """
    vector = np.zeros(padded_dimension(len(query)), np.float32)
    vector[: len(query)] = query
    limit, listed = n_candidates, len(snapshot.generations) <= MAX_LISTED and not snapshot.covers_all
    if not listed and not snapshot.covers_all:
        limit = round(n_candidates * snapshot.n_in_library / len(snapshot.generations))
    limit = max(1, min(limit, MAX_CANDIDATES))
    with reporting_damage(library.location):
        search = (
            library.tables.moments.search(vector)
            .distance_type("dot")
            .limit(limit)
            .minimum_nprobes(MIN_PROBES)
            .maximum_nprobes(0)
        )
        if listed:
            search = search.where(f"generation IN {number_list(snapshot.generations.tolist())}", prefilter=True)
        found = search.select([*_COLUMNS, "_distance"]).to_arrow()
        similarities = best_similarities(found["cells"].combine_chunks(), query)
    rows = snapshot.rows_of(found["generation"].to_numpy())
    order = np.argsort(-similarities, kind="stable")
    order = order[rows[order] >= 0]  # without recordings that a filter leaves out, and left-overs of writers
    first_frames, end_frames = (found[name].to_numpy()[order].astype(np.int64) for name in ("first_frame", "end_frame"))
    return Candidates(rows[order], first_frames, end_frames, similarities[order], len(found) < limit)
