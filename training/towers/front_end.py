"""The front ends: the one place that knows how a waveform becomes a spectrogram.

Each Fourier transform is a convolution with a fixed basis, so that exported graphs need no FFT operator; whatever is done to
a frame before it and is linear (window, pre-emphasis, removal of the mean) is in that basis too.
"""

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
PRE_EMPHASIS = 0.97


def mel_filterbank(bands: int = MEL_BANDS, low_hz: float = MEL_LOW_HZ, high_hz: float = MEL_HIGH_HZ) -> Tensor:
    """Triangular HTK mel filters, as YAMNet (and TensorFlow) define them, and Kaldi: (bands, 257)."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    bins = mel(torch.arange(FFT_SAMPLES // 2 + 1, dtype=torch.float64) * SAMPLE_RATE_HZ / FFT_SAMPLES)
    low, high = mel(torch.tensor([low_hz, high_hz], dtype=torch.float64))
    edges = torch.linspace(float(low), float(high), bands + 2, dtype=torch.float64)
    lower, centre, upper = (edges[i : i + bands, None] for i in range(3))
    filters = torch.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)).clamp(min=0)
    filters[:, 0] = 0.0  # the constant component belongs to no band
    return filters.float()


def hann(*, periodic: bool) -> Tensor:
    """The Hann window of a frame: (400,)."""
    return torch.hann_window(WINDOW_SAMPLES, periodic=periodic, dtype=torch.float64)


class MelBands(nn.Module):
    """Frames of 25 ms every 10 ms, mapped linearly by `frame_map` (400, 400), in mel bands (bands, 257)."""

    basis: Tensor
    filterbank: Tensor

    def __init__(self, frame_map: Tensor, filterbank: Tensor) -> None:
        super().__init__()
        time = torch.arange(WINDOW_SAMPLES, dtype=torch.float64)
        frequency = torch.arange(FFT_SAMPLES // 2 + 1, dtype=torch.float64)[:, None]
        phase = 2 * math.pi * frequency * time / FFT_SAMPLES
        basis = torch.cat([torch.cos(phase), torch.sin(phase)]) @ frame_map
        self.register_buffer("basis", basis.float()[:, None, :], persistent=False)  # (514, 1, 400)
        self.register_buffer("filterbank", filterbank[:, :, None], persistent=False)  # (bands, 257, 1)

    def power(self, padded: Tensor) -> Tensor:
        """A waveform (B, N) to the power spectrum of its M whole frames: (B, 257, M)."""
        spectrum = F.conv1d(padded[:, None, :], self.basis, stride=HOP_SAMPLES)  # (B, 514, M)
        real, imaginary = spectrum.chunk(2, dim=1)
        return real * real + imaginary * imaginary

    def in_bands(self, spectrum: Tensor) -> Tensor:
        """A spectrum (B, 257, M) in mel bands: (B, bands, M)."""
        return F.conv1d(spectrum, self.filterbank)


class LogMel(MelBands):
    """Log-mel spectrogram of YAMNet: `log(|STFT| @ mel + 0.001)`, 25 ms Hann windows every 10 ms.

    The magnitude has no small constant under its root: the exporter takes one for zero, and digital silence would differ. The
    waveform is padded by 120 samples on both sides: mel frame i is centred on sample 160 i + 80.
    """

    def __init__(self) -> None:
        super().__init__(torch.diag(hann(periodic=True)), mel_filterbank())

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) in [-1, 1], N a multiple of 160, to log-mel (B, N / 160, 64)."""
        padding = (WINDOW_SAMPLES - HOP_SAMPLES) // 2
        magnitude = torch.sqrt(self.power(F.pad(waveform, (padding, padding))))
        return torch.log(self.in_bands(magnitude) + LOG_OFFSET).transpose(1, 2)


class KaldiFbank(MelBands):
    """Kaldi's log-mel filterbank from 20 Hz to 8 kHz, as ASiT hears it, normalized.

    Of each frame the mean is taken off, then it is pre-emphasized (its first sample by itself) and windowed. Since every
    frame loses its mean, removing the waveform's own before, as ASiT does, changes nothing. Only whole frames count
    (Kaldi's `snip_edges`): mel frame i begins with sample 160 i. Some of the lowest bands lie between two frequencies of the
    transform, and stay at the floor.
    """

    FLOOR = torch.finfo(torch.float32).eps
    MEAN, DEVIATION = -4.2677393, 4.5689974

    def __init__(self, bands: int = 128) -> None:
        identity = torch.eye(WINDOW_SAMPLES, dtype=torch.float64)
        emphasis = identity - PRE_EMPHASIS * torch.diag(torch.ones(WINDOW_SAMPLES - 1, dtype=torch.float64), -1)
        emphasis[0, 0] = 1 - PRE_EMPHASIS
        frame_map = torch.diag(hann(periodic=False)) @ emphasis @ (identity - 1 / WINDOW_SAMPLES)
        super().__init__(frame_map, mel_filterbank(bands, 20.0, SAMPLE_RATE_HZ / 2))

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) at 16 kHz in [-1, 1] to log-mel (B, M, bands), M = 1 + (N - 400) // 160."""
        log_mel = torch.log(self.in_bands(self.power(waveform)).clamp(min=self.FLOOR))
        return ((log_mel - self.MEAN) / (2 * self.DEVIATION)).transpose(1, 2)


class EmphasizedLogMel(MelBands):
    """The log-mel spectrogram of EfficientSED's MobileNets, 128 bands up to 7 kHz, normalized.

    The whole waveform is pre-emphasized, and mirrored at its ends: mel frame i is centred on sample 160 i.
    """

    FLOOR = 1e-7
    SHIFT, RANGE = 4.5, 5.0

    def __init__(self) -> None:
        super().__init__(torch.diag(hann(periodic=False)), mel_filterbank(128, 0.0, 7_000.0))

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) in [-1, 1], N a multiple of 160, to log-mel (B, N / 160, 128)."""
        emphasized = waveform[:, 1:] - PRE_EMPHASIS * waveform[:, :-1]
        half = WINDOW_SAMPLES // 2
        mel = self.in_bands(self.power(F.pad(emphasized, (half, half), mode="reflect")))
        return ((torch.log(mel.clamp(min=self.FLOOR)) + self.SHIFT) / self.RANGE).transpose(1, 2)


class HalfRate(nn.Module):
    """Half the sample rate: every second sample of the waveform behind a sinc low pass with a Kaiser window.

    The filter is that of torchaudio's `sinc_interp_kaiser`, with which TACOS was trained: 6 zero crossings on either
    side, its edge at 99 % of the new band.
    """

    CROSSINGS, ROLL_OFF, BETA = 6, 0.99, 14.769656459379492
    REACH = math.ceil(2 * CROSSINGS / ROLL_OFF)
    taps: Tensor

    def __init__(self) -> None:
        super().__init__()
        time = torch.arange(-self.REACH, self.REACH + 1, dtype=torch.float64) * self.ROLL_OFF / 2
        time = time.clamp(-self.CROSSINGS, self.CROSSINGS)
        window = torch.i0(self.BETA * torch.sqrt(1 - (time / self.CROSSINGS) ** 2)) / torch.i0(torch.tensor(self.BETA))
        taps = torch.sinc(time) * window * self.ROLL_OFF / 2
        self.register_buffer("taps", taps.float()[None, None], persistent=False)  # (1, 1, 27)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, N) to (B, N / 2), N even."""
        return F.conv1d(F.pad(waveform, (self.REACH, self.REACH))[:, None], self.taps, stride=2)[:, 0]
