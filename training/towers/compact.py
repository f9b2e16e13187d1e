"""The compact audio tower: YAMNet's convolutions, then a convolutional head over time.

YAMNet (Google, Apache-2.0) is a MobileNet v1 (arXiv 1704.04861) that was trained on AudioSet to classify patches of 0.96 s.
Training starts from YAMNet's weights, with the batch norms folded into the convolutions.

| property | value |
|---|---|
| input | mono waveform at 16 kHz |
| hop | 40 ms: 4 mel frames of 10 ms |
| window | 264 frames, 10.56 s; neighbouring windows share 48 frames, 1.92 s |
| receptive context of a frame | about 3 s on either side: up to 0.96 s of the patches and, by default, 2.08 s of the head |

The tower reads three maps of YAMNet's activations: the *local map* with steps of 40 ms, the *middle map* with steps of 160 ms,
and the *deep map* with steps of 320 ms. Each map passes through a linear layer, and the three results are added for each
frame. The local map comes from the first blocks, which run over the whole waveform. The other blocks run on patches of 0.96 s,
once on patches from the start of the waveform and once on patches shifted by half a patch; the two results are averaged. The
head is a stack of residual ConvNeXt blocks (arXiv 2201.03545) over time with growing dilation.
"""

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
"""One frame is 40 ms: the first blocks halve the time resolution of the spectrogram (10 ms) twice."""
PATCH_FRAMES = 24
"""Frames of a YAMNet patch, 0.96 s. All but the first blocks run on patches of this length only. YAMNet was trained on patches
with zero padding at both sides; on longer inputs the activations of its last layers grow (the mean of the deep map by a
factor of up to 20)."""
PATCH_SAMPLES = PATCH_FRAMES * FRAME_HOP_SAMPLES

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Output channels and stride of YAMNet's 13 depthwise-separable blocks, at width 1."""
LOCAL_BLOCKS = 3
"""Number of blocks that run over the whole waveform, after the stem. Their output is the local map, with steps of 40 ms."""
LOCAL_MEL = MEL_BANDS // 4
MIDDLE_BLOCKS = 11
"""Number of blocks whose output is the middle map, with steps of 160 ms. The next block halves the resolution to 320 ms."""
MIDDLE_MEL = MEL_BANDS // 16
MIDDLE_STEPS_PER_PATCH = 6
STEPS_PER_PATCH = 3


@dataclass(frozen=True, slots=True)
class CompactConfig:
    """Configuration of the compact tower.

    Attributes:
        kind: "compact".
        width: factor of YAMNet's channels. YAMNet's weights fit only a width of 1.
        frozen_blocks: number of YAMNet's blocks, from the first, that are not trained. The stem is never trained.
        dimension: number of channels of the shared space, D.
        head_channels: channels of the head.
        head_blocks: number of residual blocks of the head. Block i has dilation 3 ** i.
        head_kernel: kernel size of the head's depthwise convolutions, in frames.
        dropout: dropout probability in the head.
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
    """A depthwise 3 x 3 convolution that computes only the gradient of its input, not of its filters.

    Its backward pass is 5 to 10 times faster on a CPU than the backward pass of autograd.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return F.conv2d(x, weight, padding=1, groups=len(weight))

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        return F.conv2d(gradients[0], weight.flip(2, 3), padding=1, groups=len(weight)), None


class SeparableBlock(nn.Module):
    """A depthwise 3 x 3 and a pointwise convolution, each followed by a ReLU, with the padding of TensorFlow.

    The batch norms are folded into the convolutions. The depthwise filters are never trained: their gradient takes more
    time than all other computations of the block, and the pointwise convolutions before and after can adapt instead.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.freeze_filters()

    def freeze_filters(self) -> None:
        """Excludes the depthwise filters and their biases from training."""
        self.depthwise.requires_grad_(requires_grad=False)

    def _depthwise(self, x: Tensor) -> Tensor:
        weight, bias = self.depthwise.weight.to(x.dtype), self.depthwise.bias
        assert bias is not None
        if self.stride == 2:  # TensorFlow pads an even axis at its end only when the stride is 2
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
    """YAMNet's convolutions: a stem and 13 depthwise-separable blocks, with channels scaled by `width`."""

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
        """Loads YAMNet's weights from a safetensors file.

        The batch norms must be folded into the convolutions. The file holds `layer1.weight`, `layer1.bias`, ... in the order
        stem, depthwise and pointwise convolution of block 1, of block 2 and so on.
        """
        weights = load_file(file)
        layers: list[nn.Conv2d] = [self.stem]
        for block in self.blocks:
            assert isinstance(block, SeparableBlock)
            layers += [block.depthwise, block.pointwise]
        for number, layer in enumerate(layers, start=1):
            layer.load_state_dict({k: weights[f"layer{number}.{k}"].float() for k in ("weight", "bias")})

    def local_map(self, log_mel: Tensor) -> Tensor:
        """Runs the stem and the first blocks over the whole input: log-mel (B, 4 T, 64) to the local map (B, 128, T, 16)."""
        x = F.relu(self.stem(F.pad(log_mel[:, None], (0, 1, 0, 1))))
        for block in self.blocks[:LOCAL_BLOCKS]:
            x = block(x)
        return x

    def patch_maps(self, local: Tensor) -> tuple[Tensor, Tensor]:
        """Runs the other blocks on patches of 24 frames.

        Args:
            local: the local map, (B, 128, T, 16); T is a multiple of 24.

        Returns:
            The middle map, (B, T / 4, 2048), whose channels are 512 channels of 4 mel steps, and the deep map,
            (B, T / 8, 1024), which is averaged over mel. Both sizes are for a width of 1.
        """
        batch, channels, _, mel = local.shape
        x = local.reshape(batch, channels, -1, PATCH_FRAMES, mel).transpose(1, 2).flatten(0, 1)
        for block in self.blocks[LOCAL_BLOCKS:MIDDLE_BLOCKS]:
            x = block(x)
        middle = x.transpose(1, 2).reshape(batch, -1, x.shape[1] * x.shape[3])  # (B, T / 4, 2048)
        for block in self.blocks[MIDDLE_BLOCKS:]:
            x = block(x)
        return middle, x.mean(dim=3).transpose(1, 2).reshape(batch, -1, x.shape[1])  # (B, T / 8, 1024)


class TemporalBlock(nn.Module):
    """A residual ConvNeXt block over time: depthwise convolution, layer norm and a two-layer perceptron."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        reach = dilation * (kernel // 2)
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=reach, dilation=dilation, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, 2 * channels)
        self.project = nn.Linear(2 * channels, channels)
        nn.init.zeros_(self.project.weight)  # before training, the block is the identity
        nn.init.zeros_(self.project.bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to the same shape."""
        y = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(self.project(F.gelu(self.expand(self.norm(y)))))


class CompactTower(AudioTower):
    """The compact tower: mono 16 kHz waveform to one embedding for each 40 ms.

    Accepts lengths that are a multiple of 0.96 s (24 frames) and at least 1.92 s (48 frames).
    """

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
        for finer in (self.from_middle, self.from_local):
            nn.init.zeros_(finer.weight)  # the warm start trains the tower without these two maps
        self.norm = nn.LayerNorm(width)
        dilations: Sequence[int] = [3**i for i in range(config.head_blocks)]
        self.head = nn.Sequential(
            *(TemporalBlock(width, config.head_kernel, dilation, config.dropout) for dilation in dilations)
        )
        self.output = nn.Linear(width, config.dimension)
        self.freeze()

    def freeze(self) -> None:
        """Excludes the stem and the first `frozen_blocks` blocks from training."""
        self.trunk.stem.requires_grad_(requires_grad=False)
        for block in self.trunk.blocks[: self.config.frozen_blocks]:
            block.requires_grad_(requires_grad=False)

    def load_pretrained(self, file: Path) -> None:
        """Loads YAMNet's weights; see `Trunk.load_yamnet`."""
        self.trunk.load_yamnet(file)

    def named_weights(self) -> dict[str, Tensor]:
        """All parameters."""
        return dict(self.named_parameters())

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Computes log-mel (B, N / 160, 64) of a waveform (B, N)."""
        return self.front_end(waveform)

    def features(self, spectrogram: Tensor) -> Tensor:
        """Computes features (B, T, C) of log-mel (B, 4 T, 64); T is a multiple of 24 and at least 48."""
        local = self.trunk.local_map(spectrogram)  # (B, 128, T, 16)
        fine = self.from_local(local.transpose(1, 2).flatten(2))  # (B, T, C)
        return self.head(self.norm(self.patch_features(local) + fine))

    def patch_features(self, local: Tensor) -> Tensor:
        """Computes the part of the features that comes from the middle and the deep map.

        Patches are placed end to end twice, from the start of the input and shifted by half a patch. The two results are
        averaged. The first and the last half patch have no shifted patch and keep the unshifted result.

        Args:
            local: the local map, (B, 128, T, 16).

        Returns:
            The middle and the deep map, repeated to frames and mapped to the channels of the head, (B, T, C).
        """
        half = PATCH_FRAMES // 2
        aligned, shifted = self._from_patches(local), self._from_patches(local[:, :, half:-half])
        return (aligned + torch.cat([aligned[:, :half], shifted, aligned[:, -half:]], dim=1)) / 2

    def _from_patches(self, local: Tensor) -> Tensor:
        middle, deep = self.trunk.patch_maps(local)
        repeats = MIDDLE_STEPS_PER_PATCH // STEPS_PER_PATCH
        steps = self.from_trunk(deep).repeat_interleave(repeats, dim=1)  # (B, T / 4, C)
        return (steps + self.from_middle(middle)).repeat_interleave(PATCH_FRAMES // MIDDLE_STEPS_PER_PATCH, dim=1)

    def embed_patch_steps(self, deep: Tensor) -> Tensor:
        """Computes embeddings (F, D) of single steps of the deep map (F, 1024), without the finer maps and the head.

        The warm start trains the maps into the shared space on these embeddings.
        """
        return self.project(self.norm(self.from_trunk(deep)))
