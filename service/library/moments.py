"""Moment vectors: a few vectors for each stretch of a recording, which the index of a library searches first.

A moment vector is the mean of the frame embeddings of a stretch. So its product with a query is the mean similarity of the
stretch, which is close to what the median filter leaves of the similarities. Frames are first averaged over cells of about
0.2 s. Neighbouring cells are joined while the sound stays alike. A stretch is longer than 1 s only where the embedding hardly
changes at all, as in silence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid
from service.library.cells import encode_cells

Float32 = NDArray[np.float32]
Frames = NDArray[np.float16] | Float32

CELL_S = 0.2
MAX_STRETCH_S = 1.0
MAX_STATIC_S = 10.0
ALIKE = 0.9
"""Cosine of a cell and of the stretch before it, above which the cell joins the stretch."""
STATIC = 0.995
"""Cosine above which a cell may also join a stretch that is longer than `MAX_STRETCH_S`."""
_LANES = 16
_CELLS_AT_A_TIME = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The M moment vectors of a recording.

    Attributes:
        first_frames: First frame of each stretch, shape (M,).
        end_frames: Frame after the last frame of each stretch, shape (M,).
        vectors: Mean frame embeddings, zero-padded to `padded_dimension`, shape (M, P).
        cells: Codes of the cells of each stretch; see `service.library.cells`. M of them.
    """

    first_frames: NDArray[np.int64]
    end_frames: NDArray[np.int64]
    vectors: Float32
    cells: list[bytes]


def padded_dimension(dimension: int) -> int:
    """Dimension of the moment vectors: the dimension of the frames, rounded up to what the index accepts."""
    return -(-dimension // _LANES) * _LANES


def cell_frames_of(grid: FrameGrid) -> int:
    """Number of frames of a cell."""
    return max(1, round(CELL_S / grid.hop_s))


def find_moments(frames: Frames, grid: FrameGrid) -> Moments:
    """Computes the moment vectors of a recording from its frames, shape (T, D), T at least 1."""
    cell_frames = cell_frames_of(grid)
    cells = _cell_means(frames, cell_frames)  # (C, D)
    starts = _stretch_starts(cells, max(1, round(MAX_STRETCH_S / CELL_S)), max(1, round(MAX_STATIC_S / CELL_S)))  # (M,)
    first_frames = starts * cell_frames
    end_frames = np.append(first_frames[1:], len(frames))
    weights = np.full(len(cells), cell_frames, np.float32)
    weights[-1] = len(frames) - (len(cells) - 1) * cell_frames
    sums = np.add.reduceat(cells * weights[:, None], starts, axis=0)  # (M, D)
    vectors = np.zeros((len(starts), padded_dimension(frames.shape[1])), np.float32)  # (M, P)
    vectors[:, : frames.shape[1]] = sums / (end_frames - first_frames)[:, None]
    return Moments(first_frames, end_frames, vectors, encode_cells(cells, starts))


def _cell_means(frames: Frames, cell_frames: int) -> Float32:
    """Means of cells of frames, shape (C, D); the last cell may have fewer frames."""
    n_whole = len(frames) // cell_frames
    means = np.empty((-(-len(frames) // cell_frames), frames.shape[1]), np.float32)
    for begin in range(0, n_whole, _CELLS_AT_A_TIME):
        end = min(begin + _CELLS_AT_A_TIME, n_whole)
        part = frames[begin * cell_frames : end * cell_frames].astype(np.float32)
        means[begin:end] = part.reshape(end - begin, cell_frames, -1).mean(axis=1)
    if n_whole < len(means):
        means[-1] = frames[n_whole * cell_frames :].astype(np.float32).mean(axis=0)
    return means


def _stretch_starts(cells: Float32, max_cells: int, max_static_cells: int) -> NDArray[np.int64]:
    """First cell of each stretch: a greedy pass that joins a cell while it is like the mean of the stretch."""
    starts, total, n_cells = [0], cells[0].copy(), 1
    norms = np.maximum(np.linalg.norm(cells, axis=1), 1e-12)
    for index in range(1, len(cells)):
        needed = ALIKE if n_cells < max_cells else STATIC
        alike = float(total @ cells[index]) >= needed * float(norms[index]) * float(np.linalg.norm(total))
        if alike and n_cells < max_static_cells:
            total += cells[index]
            n_cells += 1
        else:
            starts.append(index)
            total, n_cells = cells[index].copy(), 1
    return np.array(starts, np.int64)
