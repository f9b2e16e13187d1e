"""What every audio tower is: waveform to unit-norm frame embeddings, on a grid and for lengths that it names itself."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from service.core.frame_grid import FrameGrid
from service.core.windows import WindowPlan


@dataclass(frozen=True, slots=True)
class Lengths:
    """Numbers of frames that a tower takes at once: `steps * step_frames + extra_frames`.

    `min_steps` and `max_steps` (None: no limit) bound the steps. Where there is a limit, a whole number of the longest
    are taken too, each as if it were alone.
    """

    step_frames: int = 1
    extra_frames: int = 0
    min_steps: int = 1
    max_steps: int | None = None

    def round_up(self, n_frames: int) -> int:
        """The least length that is taken and has so many frames.

        >>> [Lengths(8, 1, 1, 62).round_up(n) for n in (5, 17, 18, 497, 498)]
        [9, 17, 25, 497, 994]
        """
        steps = max(self.min_steps, -(-(n_frames - self.extra_frames) // self.step_frames))
        if self.max_steps is None or steps <= self.max_steps:
            return self.frames(steps)
        longest = self.frames(self.max_steps)
        return -(-n_frames // longest) * longest

    def frames(self, steps: int) -> int:
        """Frames of so many steps."""
        return steps * self.step_frames + self.extra_frames


class AudioTower(nn.Module, ABC):
    """Mono waveform (B, N) to embeddings (B, T, D) of unit norm, one every `hop_samples`.

    On the way are a spectrogram, one line every 10 ms, which training masks, and features (B, T, C), of which the
    embeddings are a linear map.

    Attributes:
        sample_rate_hz: rate of the waveform.
        hop_samples: samples of one frame; N is `hop_samples` times T.
        lengths: the T that are taken.
        window_frames: T of the windows that are served.
        overlap_frames: what neighbouring windows share.
        pretrained_prefix: what the names of the parameters begin with that were trained before, and learn slower.
        licence: of the public weights that the tower can begin with.
        output: the map into the shared space.
    """

    sample_rate_hz: ClassVar[int]
    hop_samples: ClassVar[int]
    lengths: ClassVar[Lengths]
    window_frames: ClassVar[int]
    overlap_frames: ClassVar[int]
    pretrained_prefix: ClassVar[str]
    licence: ClassVar[str]
    output: nn.Linear

    @property
    def dimension(self) -> int:
        """D."""
        return self.output.out_features

    @property
    def grid(self) -> FrameGrid:
        """Its frames."""
        return FrameGrid(self.sample_rate_hz, self.hop_samples)

    @property
    def window_plan(self) -> WindowPlan:
        """How clips are cut into windows."""
        return WindowPlan(self.window_frames, self.overlap_frames)

    @abstractmethod
    def load_pretrained(self, file: Path) -> None:
        """Takes the weights of the public model that the tower begins with."""

    @abstractmethod
    def log_mel(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) in float32 to a spectrogram (B, M, mel)."""

    @abstractmethod
    def features(self, spectrogram: Tensor) -> Tensor:
        """A spectrogram (B, M, mel) to features (B, T, C)."""

    def spectrogram(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) to a spectrogram (B, M, mel), always in float32."""
        with torch.autocast(waveform.device.type, enabled=False):
            return self.log_mel(waveform.float())

    def project(self, features: Tensor) -> Tensor:
        """Features (..., C) to embeddings (..., D) of unit norm."""
        return F.normalize(self.output(features).float(), dim=-1)

    def clip_embeddings(self, features: Tensor, valid: Tensor) -> Tensor:
        """The embedding (B, D) of each clip, from the mean of its features (B, T, C) where it is `valid` (B, T).

        So TACOS (arXiv 2505.07609) does it: the mean comes before the projection and the norm.
        """
        weights = valid[..., None].to(features.dtype)
        return self.project((features * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1))

    def embed(self, spectrogram: Tensor) -> Tensor:
        """A spectrogram (B, M, mel) to embeddings (B, T, D)."""
        return self.project(self.features(spectrogram))

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) to embeddings (B, T, D); N is `hop_samples` times one of the `lengths`."""
        return self.embed(self.spectrogram(waveform))
