"""A check of all stored moments: whether they cover the recordings, and whether vectors and cells agree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.core.library_errors import LibraryDamaged
from service.library.cells import MAX_CELLS, QUANTIZATION, decode_cells, means_of_cells
from service.library.moments import cell_frames_of
from service.library.store import Library
from service.library.tables import all_rows, reporting_damage

Int64 = NDArray[np.int64]

_COLUMNS = ["generation", "first_frame", "end_frame", "vector", "cells"]
_MOMENTS_AT_A_TIME = 4096


def check_moments(library: Library) -> int:
    """Reads all moments of all recordings.

    Returns:
        The number of moments.

    Raises:
        LibraryDamaged: If a moment is damaged, missing or there twice.
    """
    recordings = _Recordings.of(library)
    covered = np.zeros((2, len(recordings.generations)), np.int64)
    n_moments = 0
    with reporting_damage(library.location):
        query = all_rows(library.tables.moments).select(_COLUMNS)
        for batch in query.to_batches(batch_size=_MOMENTS_AT_A_TIME):
            rows = recordings.rows_of(batch["generation"].to_numpy())
            known = rows >= 0  # the others are left-overs of writers
            first, end = (batch[name].to_numpy().astype(np.int64) for name in ("first_frame", "end_frame"))
            n_frames = np.append(recordings.n_frames, 0)[rows]  # 0 for left-overs
            damaged = known & ((first < 0) | (end <= first) | (end > n_frames))
            if len(batch):
                damaged |= known & ~_agree(library, batch, end - first)
            if damaged.any():
                place = int(np.argmax(damaged))
                reason = f"the moment of frames {first[place]} to {end[place]} of {recordings.names[rows[place]]}"
                raise LibraryDamaged(library.location, reason)
            # stretches cover T frames once if, and nearly only if, these sums are T and T * T
            np.add.at(covered[0], rows[known], (end - first)[known])
            np.add.at(covered[1], rows[known], (end * end - first * first)[known])
            n_moments += int(known.sum())
    wrong = np.flatnonzero((covered != np.stack([recordings.n_frames, recordings.n_frames**2])).any(axis=0))
    if len(wrong):
        reason = f"moments of {recordings.names[wrong[0]]} are missing or there twice"
        raise LibraryDamaged(library.location, reason)
    return n_moments


@dataclass(frozen=True, slots=True, eq=False)
class _Recordings:
    """The R recordings of a library, sorted by generation: generations and numbers of frames, shape (R,), and names."""

    generations: Int64
    n_frames: Int64
    names: list[str]

    @classmethod
    def of(cls, library: Library) -> "_Recordings":
        table = library.recordings(["path", "id", "generation", "n_frames"]).sort_by("generation")
        names = [path or id_ for path, id_ in zip(table["path"].to_pylist(), table["id"].to_pylist(), strict=True)]
        return cls(table["generation"].to_numpy(), table["n_frames"].to_numpy(), names)

    def rows_of(self, generations: Int64) -> Int64:
        """Row of each generation, shape (N,); -1 for a generation that no recording has."""
        if not len(self.generations):
            return np.full(len(generations), -1)
        rows = np.minimum(np.searchsorted(self.generations, generations), len(self.generations) - 1)
        return np.where(self.generations[rows] == generations, rows, -1)


def _agree(library: Library, batch: Any, n_frames: Int64) -> NDArray[np.bool_]:
    """Whether the vector of each moment is the mean of its cells, shape (M,).

    The last cell of a recording may have fewer frames than its weight says. So of a stretch with such a cell, only the number of
    cells is compared.

    Args:
        library: The library.
        batch: A batch of M moments.
        n_frames: Number of frames of each stretch, shape (M,).
    """
    dimension, cell_frames = library.model.dimension, cell_frames_of(library.model.grid)
    vectors = batch["vector"].flatten().to_numpy().reshape(len(batch), -1)  # (M, P)
    codes, starts = decode_cells(batch["cells"], dimension)
    n_cells = np.maximum(-(-n_frames // cell_frames), 1)
    is_complete = np.diff(np.append(starts, len(codes))) == np.minimum(n_cells, MAX_CELLS + 1)
    distance = np.abs(vectors[:, :dimension] - means_of_cells(codes, starts, n_cells)).max(axis=1)
    is_mean = (distance <= QUANTIZATION) | ((n_frames % cell_frames > 0) & np.isfinite(distance))
    return is_complete & is_mean & (vectors[:, dimension:] == 0).all(axis=1)
