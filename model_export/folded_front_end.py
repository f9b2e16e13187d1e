"""The log-mel front end with a quarter of its products, which gives the same spectrogram up to rounding."""

# torch ships partial types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model_export.folded_sums import FoldedSums
from training.towers.front_end import FFT_SAMPLES, HOP_SAMPLES, WINDOW_SAMPLES, WideLogMel, hann

_HALF = WINDOW_SAMPLES // 2
_PARTS = 4


class FoldedLogMel(nn.Module):
    """`WideLogMel` with a folded Fourier transform, and without the products with zeros of the mel filters.

    A window is the same read backwards. With phases that count from the middle of the frame, the cosines are the same too, and
    the sines change their sign. So the transform needs only the sum and the difference of each sample and its mirror image, which
    halves the products. The other phase does not change the power. `FoldedSums` halves the products once more.

    Args:
        front_end: The front end to compute.
    """

    window: Tensor
    backwards: Tensor

    def __init__(self, front_end: WideLogMel) -> None:
        super().__init__()
        self.register_buffer("window", hann(periodic=False)[_HALF:, None].float())  # (200, 1)
        self.register_buffer("backwards", torch.arange(HOP_SAMPLES - 1, -1, -1))
        self.cosines = FoldedSums("cos", FFT_SAMPLES, _HALF)
        self.sines = FoldedSums("sin", FFT_SAMPLES, _HALF)
        positions = torch.argsort(torch.tensor(self.cosines.frequencies))
        for part, filters in enumerate(front_end.filterbank[:, :, 0].chunk(_PARTS)):
            used = torch.nonzero(filters.any(dim=0))
            bins = slice(int(used.min()), int(used.max()) + 1)
            self.register_buffer(f"filters{part}", filters[:, bins].contiguous())
            self.register_buffer(f"bins{part}", positions[bins])
        self.offset, self.shift, self.range = front_end.OFFSET, front_end.SHIFT, front_end.RANGE

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) in [-1, 1] to log-mel (B, N / 160, 128); N is a multiple of 160."""
        padded = F.pad(waveform, (_HALF, _HALF - HOP_SAMPLES // 2), mode="reflect")
        hops = padded.unflatten(1, (-1, HOP_SAMPLES)).transpose(1, 2)  # (B, 160, M + 2): a frame is two hops and a half
        first, second, third = hops[:, :, :-2], hops[:, :, 1:-1], hops[:, :, 2:]
        middle, rest = _HALF - HOP_SAMPLES, WINDOW_SAMPLES - 2 * HOP_SAMPLES
        # both halves of a frame, from its middle outwards, (B, 200, M); index_select is a single operator of ONNX, [] is not
        right = torch.cat([second[:, middle:], third[:, :rest]], dim=1)
        left = torch.cat(
            [second.index_select(1, self.backwards[-middle:]), first.index_select(1, self.backwards)], dim=1
        )
        real, imaginary = self.cosines(self.window * (right + left)), self.sines(self.window * (right - left))
        power = torch.cat([a * a + b * b for a, b in zip(real, imaginary, strict=True)], dim=1)  # (B, 257, M)
        bands = [(getattr(self, f"filters{part}"), getattr(self, f"bins{part}")) for part in range(_PARTS)]
        mel = torch.cat([filters @ power.index_select(1, bins) for filters, bins in bands], dim=1)  # (B, 128, M)
        return ((torch.log(mel + self.offset) + self.shift) / self.range).transpose(1, 2)
