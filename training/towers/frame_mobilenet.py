"""The frame-wise MobileNet of EfficientSED: a MobileNetV3 that downsamples time to 40 ms and frequency to one bin.

MobileNetV3 is arXiv 1905.02244. The public checkpoints of EfficientSED (MIT licence) come in widths from 0.4 to 2.0. The
modules below have the names that they have in those checkpoints.

| property | value |
|---|---|
| input | mono waveform at 16 kHz |
| hop | 40 ms: 4 mel frames of 10 ms |
| window | 250 frames, 10 s; neighbouring windows share 50 frames, 2 s |
| receptive context of a frame | the whole window, because squeeze-and-excitation averages over all of its time |
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.front_end import HOP_SAMPLES, SAMPLE_RATE_HZ, EmphasizedLogMel
from training.towers.public_checkpoints import load_public_checkpoint
from training.towers.tower import AudioTower, Lengths

MEL_FRAMES_PER_FRAME = 4
STEM_CHANNELS = 16
LAST_EXPANSION = 6
SQUEEZE = 4


@dataclass(frozen=True, slots=True)
class BlockShape:
    """Shape of an inverted residual block at width 1.

    Attributes:
        kernel: size of the depthwise convolution.
        stride: stride over (frequency, time).
        expanded: channels of the depthwise convolution.
        out: channels of the output.
        squeeze: whether the block has squeeze-and-excitation.
        hard_swish: whether the activation is a hard swish; otherwise a ReLU.
    """

    kernel: int
    stride: tuple[int, int]
    expanded: int
    out: int
    squeeze: bool = False
    hard_swish: bool = True


BLOCKS = (
    BlockShape(3, (1, 1), 16, 16, hard_swish=False),
    BlockShape(3, (2, 2), 64, 24, hard_swish=False),
    BlockShape(3, (2, 1), 72, 24, hard_swish=False),
    BlockShape(5, (1, 1), 72, 40, squeeze=True, hard_swish=False),
    BlockShape(5, (1, 1), 120, 40, squeeze=True, hard_swish=False),
    BlockShape(5, (2, 1), 120, 40, squeeze=True, hard_swish=False),
    BlockShape(3, (1, 1), 240, 80),
    BlockShape(3, (2, 1), 200, 80),
    BlockShape(3, (1, 1), 184, 80),
    BlockShape(3, (1, 1), 184, 80),
    BlockShape(3, (2, 1), 480, 112, squeeze=True),
    BlockShape(3, (1, 1), 672, 112, squeeze=True),
    BlockShape(5, (1, 1), 672, 160, squeeze=True),
    BlockShape(5, (1, 1), 960, 160, squeeze=True),
    BlockShape(5, (2, 1), 960, 160, squeeze=True),
)


@dataclass(frozen=True, slots=True)
class FrameMobileNetConfig:
    """Configuration of the frame-wise MobileNet.

    Attributes:
        kind: "frame_mobilenet".
        width: factor of the channels of every layer.
        dimension: number of channels of the shared space, D.
        pretrained: checkpoint of EfficientSED of the same width from which the tower is trained, or None for random
            weights.
    """

    kind: Literal["frame_mobilenet"] = "frame_mobilenet"
    width: float = 1.0
    dimension: int = 1024
    pretrained: Path | None = None


def channels_at(width: float, channels: float) -> int:
    """Scales a number of channels and rounds it to the nearest multiple of 8, but not down by more than 10 %.

    >>> [channels_at(0.4, n) for n in (16, 24, 64, 72)]
    [8, 16, 24, 32]
    """
    scaled = width * channels
    nearest = max(8, int(scaled + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * scaled else nearest


def convolution(
    channels_in: int,
    out: int,
    kernel: int,
    activation: type[nn.Module] | None,
    stride: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> nn.Sequential:
    """A convolution without bias, a batch norm, and an activation unless `activation` is None."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class SqueezeExcitation(nn.Module):
    """Squeeze-and-excitation (arXiv 1709.01507): scales each channel by a factor in [0, 1].

    A perceptron computes the factors from the mean of all channels over frequency and time.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = channels_at(1, channels // SQUEEZE)
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, mel, time) to the same shape."""
        scale = torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3))))))  # (B, C)
        return x * scale[:, :, None, None]


class ConcurrentSqueezes(nn.Module):
    """A list of one squeeze-and-excitation layer; it exists only to match the names of the public checkpoints."""

    def __init__(self, channels: int, squeeze: type[SqueezeExcitation] = SqueezeExcitation) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([squeeze(channels)])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, mel, time) to the same shape."""
        return self.conc_se_layers[0](x)


class InvertedResidual(nn.Module):
    """An inverted residual block of MobileNetV3: channel expansion, depthwise convolution and projection.

    The input is added to the output if both have the same shape.
    """

    def __init__(
        self, channels_in: int, shape: BlockShape, width: float, squeeze: type[SqueezeExcitation] = SqueezeExcitation
    ) -> None:
        super().__init__()
        expanded, out = channels_at(width, shape.expanded), channels_at(width, shape.out)
        activation = nn.Hardswish if shape.hard_swish else nn.ReLU
        layers = [convolution(channels_in, expanded, 1, activation)] if expanded != channels_in else []
        layers.append(convolution(expanded, expanded, shape.kernel, activation, shape.stride, groups=expanded))
        squeezes = [ConcurrentSqueezes(expanded, squeeze)] if shape.squeeze else []
        self.block = nn.Sequential(*layers, *squeezes, convolution(expanded, out, 1, None))
        self.residual = shape.stride == (1, 1) and out == channels_in

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, mel, time) to (B, C', mel / stride, time / stride)."""
        return x + self.block(x) if self.residual else self.block(x)


class FrameMobileNet(nn.Module):
    """MobileNetV3-Large with a total stride of 4 over time and of 128 over frequency."""

    def __init__(self, width: float) -> None:
        super().__init__()
        scaled = partial(channels_at, width)
        channels = [scaled(STEM_CHANNELS), *(scaled(shape.out) for shape in BLOCKS)]
        self.channels = LAST_EXPANSION * channels[-1]
        blocks = [InvertedResidual(before, shape, width) for before, shape in zip(channels, BLOCKS, strict=False)]
        self.features = nn.Sequential(
            convolution(1, channels[0], 3, nn.Hardswish, (2, 2)),
            *blocks,
            convolution(channels[-1], self.channels, 1, nn.Hardswish),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(B, 4 T, 128) to (B, T, C)."""
        x = self.features(spectrogram.transpose(1, 2)[:, None])  # (B, C, 1, T)
        return x.squeeze(2).transpose(1, 2)


class FrameMobileNetTower(AudioTower):
    """The frame-wise MobileNet tower: mono 16 kHz waveform to one embedding for each 40 ms. Accepts any number of frames."""

    sample_rate_hz = SAMPLE_RATE_HZ
    hop_samples = MEL_FRAMES_PER_FRAME * HOP_SAMPLES
    lengths = Lengths()
    window_frames = 250
    overlap_frames = 50
    pretrained_prefix = "model."
    licence = "MIT: the frame-wise MobileNet of EfficientSED, the start of the audio tower"

    def __init__(self, config: FrameMobileNetConfig) -> None:
        super().__init__()
        self.front_end = EmphasizedLogMel()
        self.model = FrameMobileNet(config.width)
        self.output = nn.Linear(self.model.channels, config.dimension)

    def load_pretrained(self, file: Path) -> None:
        """Loads the convolutions of an EfficientSED checkpoint, without its sequence model and heads.

        Raises:
            ValueError: The checkpoint has another width.
        """
        load_public_checkpoint(self, file)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Computes log-mel (B, N / 160, 128) of a waveform (B, N)."""
        return self.front_end(waveform)

    def features(self, spectrogram: Tensor) -> Tensor:
        """Computes features (B, T, C) of log-mel (B, 4 T, 128)."""
        return self.model(spectrogram)
