"""From embeddings to calibrated curves: smoothed, and extended so that any threshold shows whole sounds."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_CHUNK_FRAMES = 1 << 13
_CHUNK_VALUES = 1 << 20  # values that are sorted or extended at a time: 4 MiB of float32
_MAX_EXCHANGED_FRAMES = 15  # up to this width, comparing whole curves is faster than partitioning each window


def similarity(frames: NDArray[np.float16] | Float32, queries: Float32) -> Float32:
    """Cosine similarity of every query with every frame, computed in single precision some frames at a time.

    Args:
        frames: Unit-norm frame embeddings, shape (T, D).
        queries: Unit-norm query embeddings, shape (Q, D).

    Returns:
        Similarities in [-1, 1], shape (Q, T).
    """
    similarities = np.empty((len(queries), len(frames)), np.float32)
    for begin in range(0, len(frames), _CHUNK_FRAMES):
        chunk = frames[begin : begin + _CHUNK_FRAMES].astype(np.float32, copy=False)
        similarities[:, begin : begin + _CHUNK_FRAMES] = queries @ chunk.T
    return np.clip(similarities, -1, 1, out=similarities)


def score(similarity: Float32, scale: float, bias: float) -> Float32:
    """Calibrated score in [0, 1] of similarities of any shape: sigmoid(scale * similarity + bias)."""
    logit = np.float32(scale) * similarity + np.float32(bias)
    return (0.5 + 0.5 * np.tanh(0.5 * logit)).astype(np.float32, copy=False)  # the sigmoid, without overflow


def median_filter(curves: Float32, width_frames: int) -> Float32:
    """Median over a centred window along the frames, the first and last frames repeated beyond the ends.

    Equal to `scipy.ndimage.median_filter(curves, (1, width_frames), mode="nearest")`.

    Args:
        curves: Shape (Q, T).
        width_frames: An odd number of frames; 1 leaves the curves as they are.

    Returns:
        Smoothed curves, shape (Q, T).

    Raises:
        ValueError: If the width is even or not positive.
    """
    if width_frames < 1 or width_frames % 2 == 0:
        raise ValueError(f"a median filter's width is odd and positive, not {width_frames}")
    if width_frames == 1 or curves.shape[1] == 0:
        return curves.copy()
    half = width_frames // 2
    smoothed = np.empty_like(curves)
    padded = np.pad(curves, ((0, 0), (half, half)), mode="edge")  # (Q, T + 2 * half)
    step = max(1, _CHUNK_VALUES // (width_frames * max(1, len(curves))))
    for begin in range(0, curves.shape[1], step):
        chunk = padded[:, begin : begin + step + 2 * half]
        smoothed[:, begin : begin + step] = _medians(sliding_window_view(chunk, width_frames, axis=1))
    return smoothed


def _medians(windows: Float32) -> Float32:
    """Medians of windows (Q, T, width), whose width is odd."""
    half = windows.shape[2] // 2
    if windows.shape[2] > _MAX_EXCHANGED_FRAMES:
        return np.partition(windows, half, axis=2)[:, :, half]
    waiting = [windows[:, :, frame] for frame in range(windows.shape[2])]
    held = [waiting.pop() for _ in range(half + 1)]
    while (
        waiting
    ):  # forgetful selection: of half of the values and two, neither the least nor the largest is the median
        held.append(waiting.pop())
        for i in range(1, len(held)):
            held[0], held[i] = np.minimum(held[0], held[i]), np.maximum(held[0], held[i])
        for i in range(1, len(held) - 1):
            held[i], held[-1] = np.minimum(held[i], held[-1]), np.maximum(held[i], held[-1])
        held = held[1:-1]
    return held[0]


def extend(curves: Float32, extent_ratio: float) -> Float32:
    """Raises the frames around a peak, so that cutting at any level finds what hysteresis finds.

    The grayscale reconstruction by dilation (Vincent 1993, IEEE TIP 2(2)) of a curve under the same curve divided by
    the ratio. What is above any level t afterwards are the runs of frames that were above `extent_ratio` times t before, of
    which one was above t.

    Args:
        curves: Scores, shape (Q, T).
        extent_ratio: Above 0 and at most 1, which raises nothing.

    Returns:
        Curves with the same clip scores, nowhere lower, shape (Q, T).

    Raises:
        ValueError: If the ratio is outside its range.
    """
    if not 0 < extent_ratio <= 1:
        raise ValueError(f"an extent ratio is above 0 and at most 1, not {extent_ratio}")
    extended = np.empty_like(curves)
    rows = max(1, _CHUNK_VALUES // max(1, curves.shape[1]))
    for begin in range(0, len(curves), rows):
        levels = np.ascontiguousarray(curves[begin : begin + rows].T)  # (T, rows)
        ceiling = levels / np.float32(extent_ratio)
        levels = _carry(_carry(levels, ceiling)[::-1], ceiling[::-1])[::-1]
        extended[begin : begin + rows] = levels.T
    return extended


def _carry(levels: Float32, ceiling: Float32) -> Float32:
    """Carries levels (T, Q) on along the frames, y[t] = clip(y[t - 1], levels[t], ceiling[t]), by doubling steps."""
    low, high = levels.copy(), ceiling.copy()
    step = 1
    while step < len(low):  # two clips, one after the other, are one clip
        low[step:], high[step:] = (
            np.minimum(np.maximum(earlier[:-step], low[step:]), high[step:]) for earlier in (low, high)
        )
        step *= 2
    return low


def clip_score(smoothed: Float32) -> Float32:
    """Score of the whole clip for each query, shape (Q,): the maximum of the smoothed curves (Q, T)."""
    return smoothed.max(axis=1)
