"""Convolutions in forms that ONNX Runtime runs in its fastest layout on CPUs, with blocks of 16 channels."""

# torch ships partial types.
# pyright: reportUnknownMemberType=false

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.compact import TemporalBlock
from training.towers.pyramid import TAPS, MobileNetTrunk

BLOCK = 16


class PlanarTemporalBlock(nn.Module):
    """A `TemporalBlock` with a convolution over a plane of height 1: ONNX Runtime has no such layout for one dimension."""

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
    """A trunk that computes the same, in which each layer has at least 16 channels: ONNX Runtime copies narrower maps.

    The additional channels are always zero. A trunk of which the head reads a narrower map stays as it is.
    """
    if min(trunk.channels[tap.layer] for tap in TAPS) < BLOCK:
        return trunk
    wide = deepcopy(trunk)
    for sequence in [module for module in wide.modules() if isinstance(module, nn.Sequential)]:
        for position, layer in enumerate(sequence):
            if isinstance(layer, nn.Conv2d):
                sequence[position] = _widened_convolution(layer)
            elif isinstance(layer, nn.BatchNorm2d):
                sequence[position] = _widened_norm(layer)
    return wide


def _widened_convolution(layer: nn.Conv2d) -> nn.Conv2d:
    ends, groups = (_widened(layer.in_channels), _widened(layer.out_channels)), _widened(layer.groups)
    wide = nn.Conv2d(*ends, layer.kernel_size, layer.stride, layer.padding, groups=groups, bias=False)  # pyright: ignore[reportArgumentType] - torch's stub
    _copy_into(wide.weight, layer.weight)
    return wide


def _widened_norm(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    wide = nn.BatchNorm2d(_widened(norm.num_features), norm.eps).eval()
    for name, values in wide.state_dict().items():
        if values.dim():
            _copy_into(values, norm.state_dict()[name])
    return wide


def _copy_into(wide: Tensor, values: Tensor) -> None:
    """Fills the start of a tensor with values, and the rest with zeros."""
    with torch.no_grad():
        wide.zero_()
        wide[tuple(slice(length) for length in values.shape)] = values


def _widened(n_channels: int) -> int:
    """The waveform's single channel, and a single group, stay alone."""
    return n_channels if n_channels == 1 else max(n_channels, BLOCK)
