"""How a waveform that comes in blocks is cut into the fixed windows of a plan, without ever holding all of it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.core.windows import WindowPlan

Float32 = NDArray[np.float32]
PlacedWindow = tuple[int, Float32]


@dataclass(slots=True)
class WindowCutter:
    """Cuts mono samples into windows as they come; holds less than two windows and a block.

    Gives the same windows as `WindowPlan.starts` over the whole waveform, whatever the blocks' lengths. A last frame
    that is only partly filled is filled with zeros, and so is a window that is longer than the clip.

    Attributes:
        plan: The windows.
        hop_samples: Samples per frame.
        n_samples: Samples that came so far.
    """

    plan: WindowPlan
    hop_samples: int
    n_samples: int = field(default=0, init=False)
    _held: list[Float32] = field(default_factory=list[Float32], init=False)
    _held_start: int = field(default=0, init=False)
    _next_start: int = field(default=0, init=False)

    @property
    def _window_samples(self) -> int:
        return self.plan.window_frames * self.hop_samples

    def add(self, block: Float32) -> list[PlacedWindow]:
        """Takes the next samples, shape (N,), and gives the windows that are now sure: (first frame, samples)."""
        self.n_samples += len(block)
        self._held.append(block)
        windows: list[PlacedWindow] = []
        while self._next_start * self.hop_samples + self._window_samples < self.n_samples:
            windows.append((self._next_start, self._slice(self._next_start)))
            self._next_start += self.plan.step_frames
        if windows:
            self._forget()
        return windows

    def finish(self) -> list[PlacedWindow]:
        """Gives the last window, or none if no sample came."""
        if self.n_samples == 0:
            return []
        n_frames = -(-self.n_samples // self.hop_samples)
        start = max(0, n_frames - self.plan.window_frames)
        missing = start * self.hop_samples + self._window_samples - self.n_samples
        self._held.append(np.zeros(missing, np.float32))
        return [(start, self._slice(start))]

    def _joined(self) -> Float32:
        if len(self._held) > 1:
            self._held = [np.concatenate(self._held)]
        return self._held[0]

    def _slice(self, start_frame: int) -> Float32:
        begin = start_frame * self.hop_samples - self._held_start
        return self._joined()[begin : begin + self._window_samples].copy()

    def _forget(self) -> None:
        """Drops the samples that no later window can need: the last one may be shifted back by almost a window."""
        last_window_start = -(-self.n_samples // self.hop_samples) - self.plan.window_frames
        needed_from = max(self._held_start, min(self._next_start, last_window_start) * self.hop_samples)
        self._held = [self._joined()[needed_from - self._held_start :].copy()]
        self._held_start = needed_from
