"""Cosine and sine transforms with half of their products: the first steps of a fast Fourier transform.

Every step saves half of the products that are left in the even frequencies. Two steps pay on a CPU: a third one saves less time
than its additions and copies take.
"""

# torch ships partial types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

STEPS = 2


class FoldedSums(nn.Module):
    """Sums of samples times the cosines or sines of all frequencies of a transform.

    Sample n lies at time n + 1/2. Samples n and `period / 2 - 1 - n` mirror each other at a quarter of the period: their cosines
    are the same at even frequencies, and opposite at odd ones; for sines it is the other way round. So the odd frequencies need
    only the differences of such pairs, or their sums. The even frequencies need the other of the two, and are again all
    frequencies of a transform, with half the period.

    Args:
        wave: `torch.cos` or `torch.sin`.
        period: Samples of the transform, P.
        n_samples: Samples that are summed, N, of which there are at least P / 4 and at most P / 2.
        steps: How often the samples are folded.

    Attributes:
        frequencies: The frequencies from 0 to P / 2 in the order of the result, in cycles in a period.
    """

    matrix: Tensor
    backwards: Tensor

    def __init__(self, wave: Callable[[Tensor], Tensor], period: int, n_samples: int, steps: int = STEPS) -> None:
        super().__init__()
        self.n_alone, self.n_folded = period // 2 - n_samples, period // 4
        self.sign = 1 if wave is torch.cos else -1
        self.even = FoldedSums(wave, period // 2, self.n_folded, steps - 1) if steps else None
        own = [*range(1, period // 2 + 1, 2)] if self.even else [*range(period // 2 + 1)]
        self.frequencies = own + [2 * frequency for frequency in (self.even.frequencies if self.even else [])]
        time = torch.arange(self.n_folded if self.even else n_samples, dtype=torch.float64) + 0.5
        phase = 2 * math.pi * torch.tensor(own, dtype=torch.float64)[:, None] * time / period
        self.register_buffer("matrix", wave(phase).float())
        self.register_buffer("backwards", torch.arange(n_samples - 1, self.n_folded - 1, -1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Samples (B, N, M) to sums (B, K, M) for one part of `frequencies` after the other."""
        if self.even is None:
            return [self.matrix @ x]
        alone, near, far = x[:, : self.n_alone], x[:, self.n_alone : self.n_folded], x.index_select(1, self.backwards)
        odd, even = near - self.sign * far, near + self.sign * far
        if self.n_alone:
            odd, even = torch.cat([alone, odd], dim=1), torch.cat([alone, even], dim=1)
        return [self.matrix @ odd, *self.even(even)]
