"""Cutting of a waveform into the windows of a plan: block by block, or the whole waveform at once."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid
from service.core.windows import WindowPlan

Float32 = NDArray[np.float32]
PlacedWindow = tuple[int, Float32]
"""Index of a window's first frame, and the samples (N,) of the window."""


def cut_windows(waveform: Float32, plan: WindowPlan, grid: FrameGrid) -> list[PlacedWindow]:
    """Cuts a whole waveform, shape (N,), into windows; see `WindowCutter`."""
    cutter = WindowCutter(plan, grid)
    return [*cutter.add(waveform), *cutter.finish()]


@dataclass(slots=True)
class WindowCutter:
    """Cuts mono samples into windows block by block; holds less than two windows and a block.

    The windows begin at the frames of `WindowPlan.starts`, whatever the lengths of the blocks. A last frame that is
    only partly filled is padded with zeros, and so is a clip that is shorter than a window.

    Attributes:
        plan: Length and overlap of the windows.
        grid: The frames of the waveform.
        n_samples: Number of samples received so far.
    """

    plan: WindowPlan
    grid: FrameGrid
    n_samples: int = field(default=0, init=False)
    _held: list[Float32] = field(default_factory=list[Float32], init=False)
    _held_start: int = field(default=0, init=False)
    _next_start: int = field(default=0, init=False)

    @property
    def _window_samples(self) -> int:
        return self.grid.n_samples(self.plan.window_frames)

    def add(self, block: Float32) -> list[PlacedWindow]:
        """Takes the next block of samples, shape (N,), and returns the windows that are complete now."""
        self.n_samples += len(block)
        self._held.append(block)
        windows: list[PlacedWindow] = []
        while self.grid.n_samples(self._next_start) + self._window_samples < self.n_samples:
            windows.append((self._next_start, self._slice(self._next_start)))
            self._next_start += self.plan.step_frames
        if windows:
            self._drop_used()
        return windows

    def finish(self) -> list[PlacedWindow]:
        """Returns the last window, in a list that is empty if there were no samples."""
        if self.n_samples == 0:
            return []
        n_frames = self.grid.n_frames(self.n_samples)
        start = max(0, n_frames - self.plan.window_frames)
        return [(start, self._slice(start))]

    def _joined(self) -> Float32:
        if len(self._held) > 1:
            self._held = [np.concatenate(self._held)]
        return self._held[0]

    def _slice(self, start_frame: int) -> Float32:
        """Copies a window out of the blocks that are held; zeros follow behind their end."""
        window = np.zeros(self._window_samples, np.float32)
        position = self._held_start - self.grid.n_samples(start_frame)  # of a block in the window
        for block in self._held:
            part = block[max(0, -position) : max(0, len(window) - position)]
            window[max(0, position) :][: len(part)] = part
            position += len(block)
        return window

    def _drop_used(self) -> None:
        """Drops samples that no later window needs; the last window may be shifted back by almost its length."""
        last_window_start = self.grid.n_frames(self.n_samples) - self.plan.window_frames
        needed_from = max(self._held_start, self.grid.n_samples(min(self._next_start, last_window_start)))
        self._held = [self._joined()[needed_from - self._held_start :].copy()]
        self._held_start = needed_from
