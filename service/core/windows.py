"""Positions of the windows of a clip, and the stitching of their embeddings to the embeddings of the clip.

Neighbouring windows are cross-faded over the last `overlap_frames` of the earlier window. Windows at the regular step
overlap by exactly these frames. The last window is shifted back so that it ends with the clip, and may overlap the
window before it by more frames. Even then only the last `overlap_frames` of the earlier window are cross-faded; the
frames before them come from the earlier window alone. Each frame is therefore a mix of at most two windows, whatever
the length of the clip.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_SMALLEST_NORM = 1e-6


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Length and overlap of the windows of a clip.

    Attributes:
        window_frames: Frames in a window.
        overlap_frames: Frames that neighbouring windows share; at most half a window.
    """

    window_frames: int
    overlap_frames: int

    def __post_init__(self) -> None:
        if self.window_frames < 1 or not 0 <= 2 * self.overlap_frames <= self.window_frames:
            raise ValueError(f"the overlap is at most half a window of 1 frame or more, not {self}")

    @property
    def step_frames(self) -> int:
        """Frames between the starts of neighbouring windows."""
        return self.window_frames - self.overlap_frames

    def n_windows(self, n_frames: int) -> int:
        """Number of windows that cover `n_frames` frames: the length of `starts`."""
        if n_frames <= self.window_frames:
            return min(n_frames, 1)
        return 1 - (self.window_frames - n_frames) // self.step_frames

    def starts(self, n_frames: int) -> list[int]:
        """First frames of the windows that cover `n_frames` frames, in order.

        The last window ends with the last frame. A clip that is shorter than a window has one window, which is padded.
        """
        if n_frames <= self.window_frames:
            return [0] if n_frames > 0 else []
        last = n_frames - self.window_frames
        return [*range(0, last, self.step_frames), last]

    def stitch(self, embeddings: Float32, starts: list[int], n_frames: int) -> Float32:
        """Stitches the frame embeddings of all windows of a clip.

        Args:
            embeddings: Unit-norm frame embeddings of the windows, shape (W, Tw, D).
            starts: First frames of the windows: `starts(n_frames)`.
            n_frames: T, the number of frames of the clip.

        Returns:
            Unit-norm frame embeddings, shape (T, D).
        """
        stitcher = Stitcher(self)
        parts = [stitcher.add(window, start) for window, start in zip(embeddings, starts, strict=True)]
        return np.concatenate([*parts, stitcher.finish()])[:n_frames]  # (T, D)


@dataclass(slots=True)
class Stitcher:
    """Stitches the windows of a clip one after another; holds only the frames that a next window may change."""

    plan: WindowPlan
    _held: Float32 | None = field(default=None, init=False)
    _held_start: int = field(default=0, init=False)

    def add(self, window: Float32, start: int) -> Float32:
        """Takes the embeddings of the next window, (Tw, D), and returns the frames that are final now, (F, D)."""
        if self._held is None:
            self._held, self._held_start = window, start
            return window[:0]
        held, held_start = self._held, self._held_start
        held_end = held_start + len(held)
        fade_start = held_end - self.plan.overlap_frames
        if not held_start < start <= fade_start:
            raise ValueError(f"a window at frame {start} cannot follow the window at frame {held_start}")
        final = held[: fade_start - held_start]
        faded = cross_fade(held[fade_start - held_start :], window[fade_start - start : held_end - start])
        self._held, self._held_start = np.concatenate([faded, window[held_end - start :]]), fade_start
        return final

    def finish(self) -> Float32:
        """Returns the frames that are left, shape (F, D).

        Raises:
            ValueError: If no window was added.
        """
        if self._held is None:
            raise ValueError("no window was added")
        held, self._held = self._held, None
        return held


def cross_fade(earlier: Float32, later: Float32) -> Float32:
    """Fades linearly from the embeddings of a window to the embeddings of the next window, (F, D) each, and normalizes."""
    weight = np.arange(1, len(earlier) + 1, dtype=np.float32)[:, None] / np.float32(len(earlier) + 1)  # (F, 1)
    mixed = (1 - weight) * earlier + weight * later
    norm = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(norm > _SMALLEST_NORM, mixed / np.maximum(norm, _SMALLEST_NORM), later).astype(np.float32)
