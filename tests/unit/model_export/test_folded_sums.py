import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model_export.folded_sums import FoldedSums


@pytest.mark.parametrize("wave", [torch.cos, torch.sin])
@pytest.mark.parametrize(("period", "n_samples"), [(512, 200), (64, 16), (64, 32), (64, 25)])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_folded_sums_are_the_sums_with_all_products(
    wave: Callable[[Tensor], Tensor], period: int, n_samples: int, steps: int
) -> None:
    sums = FoldedSums(wave, period, n_samples, steps)
    x = torch.randn(2, n_samples, 3, generator=torch.Generator().manual_seed(0))
    time = torch.arange(n_samples, dtype=torch.float64) + 0.5
    phases = 2 * math.pi / period * torch.outer(torch.tensor(sums.frequencies).double(), time)
    torch.testing.assert_close(torch.cat(sums(x), dim=1), wave(phases).float() @ x, atol=1e-4, rtol=0)
    assert sorted(sums.frequencies) == list(range(period // 2 + 1))


def test_two_steps_save_half_of_the_products() -> None:
    matrices = [
        module.matrix.numel() for module in FoldedSums(torch.cos, 512, 200).modules() if isinstance(module, FoldedSums)
    ]
    assert sum(matrices) < 0.5 * 257 * 200
