"""The log-mel front end: the one place that knows how a waveform becomes a spectrogram."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
FFT_SAMPLES = 512
MEL_BANDS = 64
MEL_LOW_HZ, MEL_HIGH_HZ = 125.0, 7_500.0
LOG_OFFSET = 1e-3


def mel_filterbank() -> Tensor:
    """Triangular HTK mel filters from 125 to 7,500 Hz, as YAMNet (and TensorFlow) define them: (64, 257)."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    bins = mel(torch.arange(FFT_SAMPLES // 2 + 1, dtype=torch.float64) * SAMPLE_RATE_HZ / FFT_SAMPLES)
    low, high = mel(torch.tensor([MEL_LOW_HZ, MEL_HIGH_HZ], dtype=torch.float64))
    edges = torch.linspace(float(low), float(high), MEL_BANDS + 2, dtype=torch.float64)
    lower, centre, upper = (edges[i : i + MEL_BANDS, None] for i in range(3))
    filters = torch.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)).clamp(min=0)
    filters[:, 0] = 0.0  # the constant component belongs to no band
    return filters.float()


class LogMel(nn.Module):
    """Log-mel spectrogram of YAMNet: `log(|STFT| @ mel + 0.001)`, 25 ms Hann windows every 10 ms.

    The transform is a convolution with a fixed Fourier basis, so the exported graph needs no FFT operator. The magnitude has no
    small constant under its root: the exporter takes one for zero, and digital silence would differ. The
    waveform is padded by 120 samples on both sides: mel frame i is centred on sample 160 i + 80.
    """

    basis: Tensor
    filterbank: Tensor

    def __init__(self) -> None:
        super().__init__()
        time = torch.arange(WINDOW_SAMPLES, dtype=torch.float64)
        hann = 0.5 - 0.5 * torch.cos(2 * math.pi * time / WINDOW_SAMPLES)
        frequency = torch.arange(FFT_SAMPLES // 2 + 1, dtype=torch.float64)[:, None]
        phase = 2 * math.pi * frequency * time / FFT_SAMPLES
        basis = torch.cat([hann * torch.cos(phase), hann * torch.sin(phase)])[:, None, :]
        self.register_buffer("basis", basis.float(), persistent=False)  # (514, 1, 400)
        self.register_buffer("filterbank", mel_filterbank()[:, :, None], persistent=False)  # (64, 257, 1)

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) in [-1, 1], N a multiple of 160, to log-mel (B, N / 160, 64)."""
        padding = (WINDOW_SAMPLES - HOP_SAMPLES) // 2
        padded = F.pad(waveform, (padding, padding))
        spectrum = F.conv1d(padded[:, None, :], self.basis, stride=HOP_SAMPLES)  # (B, 514, N / 160)
        real, imaginary = spectrum.chunk(2, dim=1)
        magnitude = torch.sqrt(real * real + imaginary * imaginary)
        mel = F.conv1d(magnitude, self.filterbank)  # (B, 64, N / 160)
        return torch.log(mel + LOG_OFFSET).transpose(1, 2)
