"""The log-mel front end with less than half of its products, which gives the same spectrogram up to rounding."""

# torch ships partial types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.front_end import FFT_SAMPLES, HOP_SAMPLES, WINDOW_SAMPLES, WideLogMel, hann

_HALF = WINDOW_SAMPLES // 2
_PARTS = 4


class FoldedLogMel(nn.Module):
    """`WideLogMel` with a folded Fourier transform, and without the products with zeros of the mel filters.

    A window is the same read backwards. With phases that count from the middle of the frame, the cosines are the same too, and
    the sines change their sign. So the transform needs only the sum and the difference of each sample and its mirror image, which
    halves the products. The other phase does not change the power.

    Args:
        front_end: The front end to compute.
    """

    cosines: Tensor
    sines: Tensor
    backwards: Tensor

    def __init__(self, front_end: WideLogMel) -> None:
        super().__init__()
        time = torch.arange(_HALF, dtype=torch.float64) + 0.5  # from the middle of the frame
        frequency = torch.arange(FFT_SAMPLES // 2 + 1, dtype=torch.float64)[:, None]
        phase = 2 * math.pi * frequency * time / FFT_SAMPLES
        window = hann(periodic=False)[_HALF:]
        self.register_buffer("cosines", (torch.cos(phase) * window).float())  # (257, 200)
        self.register_buffer("sines", (torch.sin(phase) * window).float())  # (257, 200)
        self.register_buffer("backwards", torch.arange(HOP_SAMPLES - 1, -1, -1))
        self.bins: dict[str, slice] = {}
        for number, filters in enumerate(front_end.filterbank[:, :, 0].chunk(_PARTS)):
            used = torch.nonzero(filters.any(dim=0))
            name, bins = f"filters{number}", slice(int(used.min()), int(used.max()) + 1)
            self.bins[name] = bins
            self.register_buffer(name, filters[:, bins].contiguous())
        self.offset, self.shift, self.range = front_end.OFFSET, front_end.SHIFT, front_end.RANGE

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) in [-1, 1] to log-mel (B, N / 160, 128); N is a multiple of 160."""
        padded = F.pad(waveform, (_HALF, _HALF - HOP_SAMPLES // 2), mode="reflect")
        hops = padded.unflatten(1, (-1, HOP_SAMPLES)).transpose(1, 2)  # (B, 160, M + 2): a frame is two hops and a half
        first, second, third = hops[:, :, :-2], hops[:, :, 1:-1], hops[:, :, 2:]
        middle, rest = _HALF - HOP_SAMPLES, WINDOW_SAMPLES - 2 * HOP_SAMPLES
        # both halves of a frame, from its middle outwards
        right = torch.cat([second[:, middle:], third[:, :rest]], dim=1)  # (B, 200, M)
        left = torch.cat([second[:, self.backwards[-middle:]], first[:, self.backwards]], dim=1)  # (B, 200, M)
        real, imaginary = self.cosines @ (right + left), self.sines @ (right - left)  # (B, 257, M)
        power = real * real + imaginary * imaginary
        bands = [getattr(self, name) @ power[:, bins] for name, bins in self.bins.items()]
        mel = torch.cat(bands, dim=1)  # (B, 128, M)
        return ((torch.log(mel + self.offset) + self.shift) / self.range).transpose(1, 2)
