"""The compact audio tower: waveform to one unit-norm embedding every 40 ms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.front_end import HOP_SAMPLES, MEL_BANDS, LogMel

FRAME_HOP_SAMPLES = 4 * HOP_SAMPLES
"""One frame is 40 ms: the spectrogram's 10 ms, halved twice in time by the trunk."""

# Channels out, stride (time, mel) and dilation in time of YAMNet's 13 depthwise-separable blocks. Three of its five
# halvings of time remain; the later ones are dilations, which gives the same map on a finer grid (40, then 80 ms).
BLOCKS = (
    *((64, (1, 1), 1), (128, (2, 2), 1), (128, (1, 1), 1), (256, (1, 2), 1), (256, (1, 1), 2), (512, (2, 2), 2)),
    *((512, (1, 1), 2),) * 5,
    *((1024, (1, 2), 2), (1024, (1, 1), 4)),
)
SKIP_BLOCK = 5
"""The last block on the 40 ms grid; its map joins the head beside the trunk's end."""


@dataclass(frozen=True, slots=True)
class AudioTowerConfig:
    """Shape of the compact tower.

    `width` scales YAMNet's channels (1.0 takes its weights); blocks up to `frozen_blocks` keep their weights;
    `dimension` is D of the shared space; the head is `head_blocks` residual blocks of `head_channels`.
    """

    width: float = 1.0
    frozen_blocks: int = 6
    dimension: int = 256
    head_channels: int = 384
    head_blocks: int = 3
    head_kernel: int = 9
    dropout: float = 0.0


class _InputGradientOnly(torch.autograd.Function):
    """Depthwise convolution whose filters are frozen: 5 to 10 times faster backward than autograd's on a CPU."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, dilation: int) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(weight)
        ctx.dilation = dilation
        return F.conv2d(x, weight, padding=(dilation, 1), dilation=(dilation, 1), groups=len(weight))

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN001
        (weight,) = ctx.saved_tensors
        flipped, dilation = weight.flip(2, 3), ctx.dilation
        padding = (dilation, 1)
        gradient = F.conv2d(gradients[0], flipped, padding=padding, dilation=(dilation, 1), groups=len(weight))
        return gradient, None, None


class SeparableBlock(nn.Module):
    """Depthwise 3x3 and pointwise convolution, a ReLU after each (batch norm folded in), centred in time.

    The depthwise filters are not trained: their gradient costs more than all the rest, and the pointwise layers
    on both sides can do what they would.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: tuple[int, int], dilation: int) -> None:
        super().__init__()
        self.stride, self.dilation = stride, dilation
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.depthwise.requires_grad_(requires_grad=False)

    def _depthwise(self, x: Tensor) -> Tensor:
        weight, bias = self.depthwise.weight.to(x.dtype), self.depthwise.bias
        if self.stride == (1, 1):
            plain = torch.onnx.is_in_onnx_export() or not x.requires_grad
            y = (
                F.conv2d(x, weight, padding=(self.dilation, 1), dilation=(self.dilation, 1), groups=len(weight))
                if plain
                else _InputGradientOnly.apply(x, weight, self.dilation)
            )
        else:  # TensorFlow pads an even axis that is halved at its end only
            mel_before = 0 if self.stride[1] == 2 else 1
            padded = F.pad(x, (mel_before, 1, self.dilation, self.dilation))
            y = F.conv2d(padded, weight, stride=self.stride, dilation=(self.dilation, 1), groups=len(weight))
        assert bias is not None
        return F.relu(y + bias.to(x.dtype)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, time, mel) to (B, C', time / stride, mel / stride)."""
        return F.relu(self.pointwise(self._depthwise(x)))


class Trunk(nn.Module):
    """YAMNet's convolutions (MobileNet v1; Google, Apache-2.0), frame-wise."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = max(8, int(32 * width))
        self.stem = nn.Conv2d(1, channels, 3, stride=2)
        blocks: list[SeparableBlock] = []
        for out, stride, dilation in BLOCKS:
            blocks.append(SeparableBlock(channels, int(out * width), stride, dilation))
            channels = int(out * width)
        self.blocks = nn.ModuleList(blocks)

    def load_yamnet(self, file: Path) -> None:
        """Takes the weights of a YAMNet whose batch norms are folded in; `layerK.weight`, `layerK.bias`."""
        weights = load_file(file)
        layers: list[nn.Conv2d] = [self.stem]
        for block in self.blocks:
            assert isinstance(block, SeparableBlock)
            layers += [block.depthwise, block.pointwise]
        for number, layer in enumerate(layers, start=1):
            layer.load_state_dict({k: weights[f"layer{number}.{k}"].float() for k in ("weight", "bias")})

    def lower(self, log_mel: Tensor, blocks: int) -> Tensor:
        """The stem and the first `blocks` blocks: log-mel (B, time, mel) to (B, C, time', mel')."""
        x = F.relu(self.stem(F.pad(log_mel[:, None], (0, 1, 0, 1))))
        for block in self.blocks[:blocks]:
            x = block(x)
        return x

    def upper(self, x: Tensor, after: int) -> Tensor:
        """The blocks after the first `after`."""
        for block in self.blocks[after:]:
            x = block(x)
        return x


class TemporalBlock(nn.Module):
    """A residual ConvNeXt block over time: depthwise convolution, norm, and a two-layer perceptron."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        reach = dilation * (kernel // 2)
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=reach, dilation=dilation, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, 2 * channels)
        self.project = nn.Linear(2 * channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        y = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(self.project(F.gelu(self.expand(self.norm(y)))))


class AudioTower(nn.Module):
    """Mono 16 kHz waveform to L2-normalized frame embeddings, one every 40 ms."""

    def __init__(self, config: AudioTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.front_end = LogMel()
        self.trunk = Trunk(config.width)
        skip_channels = int(BLOCKS[SKIP_BLOCK - 1][0] * config.width)
        trunk_channels = int(BLOCKS[-1][0] * config.width)
        width = config.head_channels
        self.from_trunk = nn.Linear(trunk_channels, width)
        self.from_skip = nn.Linear(skip_channels * MEL_BANDS // 8, width)
        self.norm = nn.LayerNorm(width)
        dilations: Sequence[int] = [2**i for i in range(config.head_blocks)]
        self.head = nn.Sequential(
            *(TemporalBlock(width, config.head_kernel, dilation, config.dropout) for dilation in dilations)
        )
        self.output = nn.Linear(width, config.dimension)
        self.freeze()

    def freeze(self) -> None:
        """Freezes the stem and the first `frozen_blocks` blocks."""
        self.trunk.stem.requires_grad_(requires_grad=False)
        for block in self.trunk.blocks[: self.config.frozen_blocks]:
            block.requires_grad_(requires_grad=False)

    def spectrogram(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) to log-mel (B, N / 160, 64), always in float32."""
        with torch.autocast(waveform.device.type, enabled=False):
            return self.front_end(waveform.float())

    def embed(self, log_mel: Tensor) -> Tensor:
        """Log-mel (B, 4 T, 64), T even, to embeddings (B, T, D) of unit norm."""
        skip = self.trunk.lower(log_mel, SKIP_BLOCK)  # (B, 256, T, 8)
        deep = self.trunk.upper(skip, SKIP_BLOCK).mean(dim=3).transpose(1, 2)  # (B, T / 2, 1024)
        coarse = self.from_trunk(deep).repeat_interleave(2, dim=1)  # (B, T, C)
        fine = self.from_skip(skip.transpose(1, 2).flatten(2))  # (B, T, C)
        frames = self.output(self.head(self.norm(coarse + fine)))
        return F.normalize(frames.float(), dim=-1)

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N), N a multiple of 1,280 (80 ms), to embeddings (B, N / 640, D) of unit norm."""
        return self.embed(self.spectrogram(waveform))
