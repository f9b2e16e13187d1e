"""The compact audio tower: waveform to one unit-norm embedding every 40 ms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.front_end import HOP_SAMPLES, MEL_BANDS, SAMPLE_RATE_HZ, LogMel
from training.towers.tower import AudioTower, Lengths

FRAME_HOP_SAMPLES = 4 * HOP_SAMPLES
"""One frame is 40 ms: the spectrogram's 10 ms, halved twice in time by the first blocks."""
PATCH_FRAMES = 24
"""YAMNet hears patches of 0.96 s. Beyond its first blocks it is used only so: on longer maps its last layers, which know
the patch's zero padding at both sides, overflow (measured: the mean of the last map grows up to 20 times)."""
PATCH_SAMPLES = PATCH_FRAMES * FRAME_HOP_SAMPLES

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Channels out and stride of YAMNet's 13 depthwise-separable blocks."""
LOCAL_BLOCKS = 3
"""The first blocks, on the 40 ms grid, run over the whole clip; their map joins the head beside the patches'."""
LOCAL_MEL = MEL_BANDS // 4
MIDDLE_BLOCKS = 11
"""Up to here a patch has steps of 160 ms; behind, of 320 ms."""
MIDDLE_MEL = MEL_BANDS // 16
MIDDLE_STEPS_PER_PATCH = 6
STEPS_PER_PATCH = 3


@dataclass(frozen=True, slots=True)
class CompactConfig:
    """Shape of the compact tower.

    `width` scales YAMNet's channels (1.0 takes its weights); blocks up to `frozen_blocks` keep their weights;
    `dimension` is D of the shared space; the head is `head_blocks` residual blocks of `head_channels`.
    """

    kind: Literal["compact"] = "compact"
    width: float = 1.0
    frozen_blocks: int = 9
    dimension: int = 256
    head_channels: int = 384
    head_blocks: int = 3
    head_kernel: int = 9
    dropout: float = 0.0


class _InputGradientOnly(torch.autograd.Function):
    """Depthwise convolution whose filters are frozen: 5 to 10 times faster backward than autograd's on a CPU."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return F.conv2d(x, weight, padding=1, groups=len(weight))

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        return F.conv2d(gradients[0], weight.flip(2, 3), padding=1, groups=len(weight)), None


class SeparableBlock(nn.Module):
    """Depthwise 3x3 and pointwise convolution, a ReLU after each (batch norm folded in), padded as TensorFlow does.

    The depthwise filters are not trained: their gradient costs more than all the rest, and the pointwise layers
    on both sides can do what they would.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.freeze_filters()

    def freeze_filters(self) -> None:
        """Freezes the depthwise filters."""
        self.depthwise.requires_grad_(requires_grad=False)

    def _depthwise(self, x: Tensor) -> Tensor:
        weight, bias = self.depthwise.weight.to(x.dtype), self.depthwise.bias
        assert bias is not None
        if self.stride == 2:  # an even axis that is halved is padded at its end only
            y = F.conv2d(F.pad(x, (0, 1, 0, 1)), weight, stride=2, groups=len(weight))
        elif x.requires_grad:
            y = _InputGradientOnly.apply(x, weight)
        else:
            y = F.conv2d(x, weight, padding=1, groups=len(weight))
        return F.relu(y + bias.to(x.dtype)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, time, mel) to (B, C', time / stride, mel / stride)."""
        return F.relu(self.pointwise(self._depthwise(x)))


class Trunk(nn.Module):
    """YAMNet's convolutions (MobileNet v1; Google, Apache-2.0)."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = max(8, int(32 * width))
        self.stem = nn.Conv2d(1, channels, 3, stride=2)
        blocks: list[SeparableBlock] = []
        for out, stride in BLOCKS:
            blocks.append(SeparableBlock(channels, int(out * width), stride))
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

    def local_map(self, log_mel: Tensor) -> Tensor:
        """The stem and the first blocks over the whole clip: log-mel (B, 4 T, 64) to (B, 128, T, 16)."""
        x = F.relu(self.stem(F.pad(log_mel[:, None], (0, 1, 0, 1))))
        for block in self.blocks[:LOCAL_BLOCKS]:
            x = block(x)
        return x

    def patch_maps(self, local: Tensor) -> tuple[Tensor, Tensor]:
        """The other blocks, patch by patch: (B, 128, T, 16), T a multiple of 24, to the middle map and the last one.

        The middle map, of the block before the last halving, keeps its mel steps, (B, T / 4, 2048); the last is averaged
        over them, (B, T / 8, 1024).
        """
        batch, channels, _, mel = local.shape
        x = local.reshape(batch, channels, -1, PATCH_FRAMES, mel).transpose(1, 2).flatten(0, 1)
        for block in self.blocks[LOCAL_BLOCKS:MIDDLE_BLOCKS]:
            x = block(x)
        middle = x.transpose(1, 2).reshape(batch, -1, x.shape[1] * x.shape[3])  # (B, T / 4, 2048)
        for block in self.blocks[MIDDLE_BLOCKS:]:
            x = block(x)
        return middle, x.mean(dim=3).transpose(1, 2).reshape(batch, -1, x.shape[1])


class TemporalBlock(nn.Module):
    """A residual ConvNeXt block over time: depthwise convolution, norm, and a two-layer perceptron."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        reach = dilation * (kernel // 2)
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=reach, dilation=dilation, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, 2 * channels)
        self.project = nn.Linear(2 * channels, channels)
        nn.init.zeros_(self.project.weight)  # a block begins as the identity
        nn.init.zeros_(self.project.bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        y = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(self.project(F.gelu(self.expand(self.norm(y)))))


class CompactTower(AudioTower):
    """Mono 16 kHz waveform to frame embeddings, one every 40 ms; N is a multiple of 0.96 s, and at least twice that."""

    sample_rate_hz = SAMPLE_RATE_HZ
    hop_samples = FRAME_HOP_SAMPLES
    lengths = Lengths(step_frames=PATCH_FRAMES, min_steps=2)
    window_frames = 11 * PATCH_FRAMES
    overlap_frames = 2 * PATCH_FRAMES
    pretrained_prefix = "trunk."
    licence = "Apache-2.0: YAMNet, the start of the audio tower (Google)"

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.front_end = LogMel()
        self.trunk = Trunk(config.width)
        local_channels = int(BLOCKS[LOCAL_BLOCKS - 1][0] * config.width) * LOCAL_MEL
        middle_channels = int(BLOCKS[MIDDLE_BLOCKS - 1][0] * config.width) * MIDDLE_MEL
        trunk_channels = int(BLOCKS[-1][0] * config.width)
        width = config.head_channels
        self.from_trunk = nn.Linear(trunk_channels, width)
        self.from_middle = nn.Linear(middle_channels, width, bias=False)
        self.from_local = nn.Linear(local_channels, width, bias=False)
        for finer in (self.from_middle, self.from_local):  # they join what the warm start learnt without them
            nn.init.zeros_(finer.weight)
        self.norm = nn.LayerNorm(width)
        dilations: Sequence[int] = [3**i for i in range(config.head_blocks)]
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

    def load_pretrained(self, file: Path) -> None:
        """Takes YAMNet's weights: see `Trunk.load_yamnet`."""
        self.trunk.load_yamnet(file)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) to log-mel (B, N / 160, 64)."""
        return self.front_end(waveform)

    def features(self, spectrogram: Tensor) -> Tensor:
        """Log-mel (B, 4 T, 64) to features (B, T, C); T is a multiple of 24, and at least 48."""
        local = self.trunk.local_map(spectrogram)  # (B, 128, T, 16)
        fine = self.from_local(local.transpose(1, 2).flatten(2))  # (B, T, C)
        return self.head(self.norm(self.coarse(local) + fine))

    def coarse(self, local: Tensor) -> Tensor:
        """What the patches tell each frame: patches end to end, and again half a patch later, averaged; (B, T, C)."""
        half = PATCH_FRAMES // 2
        aligned, shifted = self._from_patches(local), self._from_patches(local[:, :, half:-half])
        return (aligned + torch.cat([aligned[:, :half], shifted, aligned[:, -half:]], dim=1)) / 2

    def _from_patches(self, local: Tensor) -> Tensor:
        middle, deep = self.trunk.patch_maps(local)
        steps = self.from_trunk(deep).repeat_interleave(
            MIDDLE_STEPS_PER_PATCH // STEPS_PER_PATCH, dim=1
        )  # (B, T / 4, C)
        return (steps + self.from_middle(middle)).repeat_interleave(PATCH_FRAMES // MIDDLE_STEPS_PER_PATCH, dim=1)

    def embed_patch_steps(self, deep: Tensor) -> Tensor:
        """Embeddings (F, D) of single steps of a patch (F, 1024), without finer maps and temporal head: for a warm start."""
        return self.project(self.norm(self.from_trunk(deep)))
