"""The interface of every audio tower: waveform in, one unit-norm embedding for each frame out."""

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
    """The input lengths that a tower accepts, in frames.

    A tower accepts `steps * step_frames + extra_frames` frames for every whole number of `steps` from `min_steps` to
    `max_steps`. If there is a maximum, the tower also accepts any multiple of the longest such length, and processes each
    part of this longest length independently.

    Attributes:
        step_frames: frames that each step adds.
        extra_frames: frames in addition to those of the steps.
        min_steps: minimum number of steps.
        max_steps: maximum number of steps, or None for no limit.
    """

    step_frames: int = 1
    extra_frames: int = 0
    min_steps: int = 1
    max_steps: int | None = None

    def round_up(self, n_frames: int) -> int:
        """Returns the smallest accepted length of at least `n_frames` frames.

        >>> [Lengths(8, 1, 1, 62).round_up(n) for n in (5, 17, 18, 497, 498)]
        [9, 17, 25, 497, 994]
        """
        steps = max(self.min_steps, -(-(n_frames - self.extra_frames) // self.step_frames))
        if self.max_steps is None or steps <= self.max_steps:
            return self.frames(steps)
        longest = self.frames(self.max_steps)
        return -(-n_frames // longest) * longest

    def frames(self, steps: int) -> int:
        """Returns the number of frames of an input of `steps` steps."""
        return steps * self.step_frames + self.extra_frames


class AudioTower(nn.Module, ABC):
    """Maps a mono waveform to one unit-norm embedding for each frame, in the space that queries share.

    The computation has three stages: waveform (B, N) -> log-mel spectrogram (B, M, mel), one mel frame every 10 ms -> features
    (B, T, C) -> embeddings (B, T, D). Training masks parts of the spectrogram. The last stage is a linear map and a
    normalization.

    Shapes: B waveforms, N samples, M mel frames, T frames, C channels of the features, D channels of the shared space.

    Attributes:
        sample_rate_hz: sample rate of the waveform.
        hop_samples: samples of one frame; N = `hop_samples` * T.
        lengths: the accepted values of T.
        window_frames: T of the windows into which the service cuts a clip.
        overlap_frames: number of frames that neighbouring windows share.
        pretrained_prefix: name prefix of the pretrained parameters, which are trained with a lower learning rate.
        licence: licence and origin of the public weights from which the tower can be trained.
        output: linear map from features to the shared space.
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
        """Number of channels of the shared space, D."""
        return self.output.out_features

    @property
    def grid(self) -> FrameGrid:
        """The grid of the tower's frames: converts between seconds, samples and frames."""
        return FrameGrid(self.sample_rate_hz, self.hop_samples)

    @property
    def window_plan(self) -> WindowPlan:
        """Length and overlap of the windows into which the service cuts a clip."""
        return WindowPlan(self.window_frames, self.overlap_frames)

    @abstractmethod
    def load_pretrained(self, file: Path) -> None:
        """Loads the weights of a public model as the start of training.

        Raises:
            ValueError: The file holds a model of another shape.
        """

    def named_weights(self) -> dict[str, Tensor]:
        """The weights that a bundle stores under their names, so that training can start from it.

        Other weights keep the names that the exporter gives them.
        """
        return {}

    @abstractmethod
    def log_mel(self, waveform: Tensor) -> Tensor:
        """Computes the log-mel spectrogram (B, M, mel) of a float32 waveform (B, N)."""

    @abstractmethod
    def features(self, spectrogram: Tensor) -> Tensor:
        """Computes the features (B, T, C) of a log-mel spectrogram (B, M, mel)."""

    def spectrogram(self, waveform: Tensor) -> Tensor:
        """Computes the log-mel spectrogram (B, M, mel) of a waveform (B, N), in float32 even under autocast."""
        with torch.autocast(waveform.device.type, enabled=False):
            return self.log_mel(waveform.float())

    def project(self, features: Tensor) -> Tensor:
        """Maps features (..., C) to embeddings (..., D) of unit norm."""
        return F.normalize(self.output(features).float(), dim=-1)

    def clip_embeddings(self, features: Tensor, valid_mask: Tensor) -> Tensor:
        """Computes one embedding of each whole waveform (excerpt or scene) from its features.

        The features are averaged over the valid frames before they are projected and normalized, as in TACOS
        (arXiv 2505.07609).

        Args:
            features: features of B waveforms, (B, T, C).
            valid_mask: True in the frames that hold sound and no padding, (B, T).

        Returns:
            Embeddings of unit norm, (B, D).
        """
        weights = valid_mask[..., None].to(features.dtype)
        return self.project((features * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1))

    def embed(self, spectrogram: Tensor) -> Tensor:
        """Computes the frame embeddings (B, T, D) of a spectrogram (B, M, mel)."""
        return self.project(self.features(spectrogram))

    def forward(self, waveform: Tensor) -> Tensor:
        """Computes the frame embeddings (B, T, D) of a waveform (B, N); T is one of `lengths`."""
        return self.embed(self.spectrogram(waveform))
