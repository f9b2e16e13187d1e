"""Convolutions in forms for which ONNX Runtime has its fastest kernels on CPUs, those of its layout NCHWc."""

# torch ships partial types.
# pyright: reportUnknownMemberType=false

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.compact import TemporalBlock
from training.towers.pyramid import TAPS, MobileNetTrunk

BLOCK = 16
"""Channels in a block of the layout on CPUs with AVX-512. On others with blocks of 8, additional channels only add products."""


class PlanarTemporalBlock(nn.Module):
    """A `TemporalBlock` whose convolution runs over planes of height 1: the layout exists for two dimensions only."""

    def __init__(self, block: TemporalBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to the same shape."""
        block, depthwise = self.block, self.block.depthwise
        plane = F.conv2d(
            x[:, None].permute(0, 3, 1, 2),  # (B, C, 1, T)
            depthwise.weight[:, :, None],
            depthwise.bias,
            padding=(0, int(depthwise.padding[0])),
            dilation=(1, depthwise.dilation[0]),
            groups=depthwise.groups,
        )
        y = plane.permute(0, 2, 3, 1)[:, 0]
        return x + block.project(F.gelu(block.expand(block.norm(y))))


def widened_trunk(trunk: MobileNetTrunk) -> MobileNetTrunk:
    """A copy of a trunk that gives the same maps, and whose convolutions have at least 16 channels; the new ones hold zeros.

    ONNX Runtime has slower convolutions for narrower maps. If the head reads a map with fewer than 16 channels, the trunk itself
    is returned.
    """
    if min(trunk.channels[tap.layer] for tap in TAPS) < BLOCK:
        return trunk
    wide = deepcopy(trunk)
    wide.channels = tuple(_widened(n_channels) for n_channels in trunk.channels)
    for sequence in [module for module in wide.modules() if isinstance(module, nn.Sequential)]:
        for position, layer in enumerate(sequence):
            if isinstance(layer, nn.Conv2d):
                sequence[position] = _widened_convolution(layer)
            elif isinstance(layer, nn.BatchNorm2d):
                sequence[position] = _widened_norm(layer)
    return wide


def _widened_convolution(layer: nn.Conv2d) -> nn.Conv2d:
    """The convolutions of a trunk have no bias and no dilation."""
    ends, groups = (_widened(layer.in_channels), _widened(layer.out_channels)), _widened(layer.groups)
    wide = nn.Conv2d(*ends, layer.kernel_size, layer.stride, layer.padding, groups=groups, bias=False)  # pyright: ignore[reportArgumentType] - torch's stub
    _copy_into(wide.weight, layer.weight)
    return wide


def _widened_norm(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    wide = nn.BatchNorm2d(_widened(norm.num_features), norm.eps).eval()
    for name, values in wide.state_dict().items():
        if values.dim():  # the number of batches has no channels
            _copy_into(values, norm.state_dict()[name])
    return wide


def _copy_into(wide: Tensor, values: Tensor) -> None:
    """Fills the start of a tensor with values, and the rest with zeros."""
    with torch.no_grad():
        wide.zero_()
        wide[tuple(slice(length) for length in values.shape)] = values


def _widened(n_channels: int) -> int:
    """At least 16 channels or groups. A single one stays: the spectrogram is one map, and one group is none."""
    return n_channels if n_channels == 1 else max(n_channels, BLOCK)
