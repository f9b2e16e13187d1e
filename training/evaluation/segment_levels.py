"""Score curves whose runs above any threshold are the segments that the service would return at that threshold."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import grey_closing, grey_opening

from service.core.extension import Extension
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing

Levels = NDArray[np.float32]
BELOW_ALL_THRESHOLDS = np.float32(-1.0)
TOLERANCE_S = 1e-9
SMALLEST_OFF_RATIO = 1e-6
"""Stands for a ratio of `threshold_off` to `threshold` of 0, for which the extension of a curve is not defined."""


def segment_levels(
    curve: NDArray[np.floating], grid: FrameGrid, duration_s: float, postprocessing: Postprocessing
) -> Levels:
    """Applies hysteresis, the merging of close segments and the shortest duration to a curve, for all thresholds at once.

    Each of the three steps changes the frames above a threshold in the same way as a flat morphological filter of the
    curve changes them: reconstruction by dilation, closing, and opening. So the runs of the filtered curve above a
    threshold are the segments of `service.core.segments.find_segments` at that threshold.

    Args:
        curve: The score curve that is cut into segments, (T,).
        grid: The frames of the curve.
        duration_s: Length of the clip, which ends in the last frame.
        postprocessing: The settings. Only the ratio of `threshold_off` to `threshold`, `merge_gap_s` and
            `min_duration_s` are used, because the curve is smoothed and extended already.

    Returns:
        The filtered curve, (T,). Frames outside every segment that is long enough are negative.
    """
    levels = curve.astype(np.float32, copy=False)
    if postprocessing.threshold_off < postprocessing.threshold:
        ratio = max(postprocessing.threshold_off / postprocessing.threshold, SMALLEST_OFF_RATIO)
        levels = Extension(ratio).extend(levels[None])[0]
    gap = grid.frames_for(postprocessing.merge_gap_s)
    if gap:
        closed = grey_closing(np.pad(levels, gap + 1), size=gap + 1)[gap + 1 : -gap - 1]
        levels = np.asarray(closed, np.float32)
    return _without_short_runs(levels, grid.hop_s, duration_s, postprocessing.min_duration_s)


def _without_short_runs(levels: Levels, hop_s: float, duration_s: float, min_duration_s: float) -> Levels:
    """Lowers the runs that are shorter than `min_duration_s`; the last frame may be only partly filled."""
    width = max(1, math.ceil((min_duration_s - TOLERANCE_S) / hop_s))
    missing_s = len(levels) * hop_s - duration_s
    width_at_end = max(1, math.ceil((min_duration_s + missing_s - TOLERANCE_S) / hop_s))
    if width_at_end == 1:
        return levels
    whole = levels.copy()
    if width_at_end > width:
        whole[-1] = BELOW_ALL_THRESHOLDS
    padded = np.pad(whole, width, constant_values=BELOW_ALL_THRESHOLDS)
    opened = np.asarray(grey_opening(padded, size=width)[width:-width], np.float32)
    if width_at_end > width and len(levels) >= width_at_end:
        end = slice(len(levels) - width_at_end, None)
        opened[end] = np.maximum(opened[end], levels[end].min())
    return opened
