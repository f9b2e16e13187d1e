import math
from typing import Literal

import pytest
import torch

from model_export.folded_sums import FoldedSums


@pytest.mark.parametrize("wave", ["cos", "sin"])
@pytest.mark.parametrize(("period", "n_samples"), [(512, 200), (64, 16), (64, 32), (64, 25)])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_folded_sums_are_the_sums_with_all_products(
    wave: Literal["cos", "sin"], period: int, n_samples: int, steps: int
) -> None:
    sums = FoldedSums(wave, period, n_samples, steps)
    x = torch.randn(2, n_samples, 3, generator=torch.Generator().manual_seed(0))
    time = torch.arange(n_samples, dtype=torch.float64) + 0.5
    phases = 2 * math.pi / period * torch.outer(torch.tensor(sums.frequencies).double(), time)
    expected = getattr(torch, wave)(phases).float() @ x
    torch.testing.assert_close(torch.cat(sums(x), dim=1), expected, atol=1e-4, rtol=0)
    assert sorted(sums.frequencies) == list(range(period // 2 + 1))


def test_two_steps_save_half_of_the_products() -> None:
    sums = FoldedSums("cos", 512, 200)
    assert sum(part.matrix.numel() for part in sums.modules() if isinstance(part, FoldedSums)) == 24_640


@pytest.mark.parametrize(("period", "n_samples", "steps"), [(512, 127, 1), (512, 257, 1), (36, 18, 1), (510, 200, 0)])
def test_periods_and_samples_that_cannot_be_folded_are_refused(period: int, n_samples: int, steps: int) -> None:
    with pytest.raises(ValueError, match="samples of a period of"):
        FoldedSums("cos", period, n_samples, steps)
