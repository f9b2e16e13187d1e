import pytest
import torch

from training.towers.compact import CompactConfig, CompactTower, SeparableBlock

TINY = CompactConfig(width=0.125, frozen_blocks=0, dimension=16, head_channels=16, head_blocks=1)


@pytest.fixture(scope="module")
def tower() -> CompactTower:
    torch.manual_seed(0)
    return CompactTower(TINY).eval()


@pytest.mark.parametrize(("batch", "seconds"), [(1, 1.92), (2, 4.8), (3, 10.56)])
def test_every_40_ms_has_a_unit_norm_embedding(tower: CompactTower, batch: int, seconds: float) -> None:
    frames = tower(torch.randn(batch, round(seconds * 16_000)) * 0.1)
    assert frames.shape == (batch, round(seconds / 0.04), 16)
    assert torch.allclose(frames.norm(dim=-1), torch.ones(frames.shape[:2]), atol=1e-5)


def test_batched_equals_single(tower: CompactTower) -> None:
    waveform = torch.randn(3, 30_720) * 0.1
    single = torch.cat([tower(row[None]) for row in waveform])
    assert torch.allclose(tower(waveform), single, atol=1e-5)


def test_the_default_tower_has_less_than_8_million_parameters() -> None:
    assert sum(p.numel() for p in CompactTower(CompactConfig()).parameters()) < 8_000_000


def test_frozen_blocks_get_no_gradient() -> None:
    tower = CompactTower(CompactConfig(width=0.125, frozen_blocks=6, dimension=8, head_channels=8, head_blocks=1))
    tower(torch.randn(1, 30_720)).sum().backward()
    trained = {name for name, p in tower.named_parameters() if p.grad is not None}
    assert not any(name.startswith(("trunk.stem", *(f"trunk.blocks.{i}." for i in range(6)))) for name in trained)
    assert "trunk.blocks.6.pointwise.weight" in trained


def test_the_fast_backward_equals_autograd() -> None:
    block = SeparableBlock(4, 4, 1)
    x = torch.randn(2, 4, 9, 5, requires_grad=True)
    (fast,) = torch.autograd.grad(block(x).square().sum(), x)
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    weight, bias = block.depthwise.weight, block.depthwise.bias
    plain = torch.nn.functional.conv2d(padded, weight, bias, groups=4)
    (slow,) = torch.autograd.grad(block.pointwise(plain.relu()).relu().square().sum(), x)
    assert torch.allclose(fast, slow, atol=1e-5)
