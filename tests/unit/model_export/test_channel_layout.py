import pytest
import torch
from torch import nn

from model_export.channel_layout import PlanarTemporalBlock, widened_trunk
from training.towers.compact import TemporalBlock
from training.towers.pyramid import MobileNetTrunk


def random_(module: nn.Module) -> nn.Module:
    """A module in evaluation mode whose weights and statistics are random."""
    generator = torch.Generator().manual_seed(0)
    for values in module.state_dict().values():
        if values.is_floating_point():
            values.copy_(0.1 + 0.2 * torch.rand(values.shape, generator=generator))
    return module.eval()


@pytest.mark.parametrize("dilation", [1, 3])
def test_a_planar_block_computes_what_the_block_computes(dilation: int) -> None:
    block = TemporalBlock(8, 5, dilation, dropout=0.0)
    random_(block)
    x = torch.randn(2, 20, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(PlanarTemporalBlock(block)(x), block(x))


def test_a_widened_trunk_gives_the_same_maps_with_no_narrow_layer() -> None:
    trunk = MobileNetTrunk(0.4, squeeze_s=5.12)
    random_(trunk)
    before = {name: values.clone() for name, values in trunk.state_dict().items()}
    wide = widened_trunk(trunk)
    log_mel = torch.randn(1, 64, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for actual, expected in zip(wide(log_mel), trunk(log_mel), strict=True):
            torch.testing.assert_close(actual, expected)
    layers = [layer for layer in wide.modules() if isinstance(layer, nn.Conv2d)]
    assert min(layer.out_channels for layer in layers) == 16
    assert min(layer.in_channels for layer in layers[1:]) == 16
    assert wide.channels == (16, 16, *trunk.channels[2:])
    assert all(torch.equal(values, before[name]) for name, values in trunk.state_dict().items())


def test_a_trunk_whose_narrow_maps_are_read_stays() -> None:
    trunk = MobileNetTrunk(0.125, squeeze_s=5.12)
    assert widened_trunk(trunk) is trunk
