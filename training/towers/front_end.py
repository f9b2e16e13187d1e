"""The front ends: every conversion of a waveform to a log-mel spectrogram.

The Fourier transform is a convolution with a fixed basis, so that exported graphs need no FFT operator. The linear steps
before the transform (window, pre-emphasis, removal of a frame's mean) are part of that basis.

All front ends work at 16 kHz with windows of 25 ms (400 samples), a hop of 10 ms (160 samples) and an FFT of 512 samples. Shapes:
B waveforms, N samples, M mel frames.
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
    """Triangular mel filters on the HTK mel scale, as YAMNet, TensorFlow and Kaldi define them: (bands, 257).

    Args:
        bands: number of mel bands.
        low_hz: lower edge of the first band.
        high_hz: upper edge of the last band.
    """

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
    """The Hann window of a frame, (400,) float64; `periodic` as in `torch.hann_window`."""
    return torch.hann_window(WINDOW_SAMPLES, periodic=periodic, dtype=torch.float64)


class MelBands(nn.Module):
    """The common part of the front ends: framing, Fourier transform and mel filterbank.

    Args:
        frame_map: linear map of each frame before the Fourier transform, (400, 400).
        filterbank: mel filters, (bands, 257).
    """

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
        """Computes the power spectrum (B, 257, M) of the M complete frames of a padded waveform (B, N)."""
        spectrum = F.conv1d(padded[:, None, :], self.basis, stride=HOP_SAMPLES)  # (B, 514, M)
        real, imaginary = spectrum.chunk(2, dim=1)
        return real * real + imaginary * imaginary

    def in_bands(self, spectrum: Tensor) -> Tensor:
        """Sums a spectrum (B, 257, M) in mel bands: (B, bands, M)."""
        return F.conv1d(spectrum, self.filterbank)


class LogMel(MelBands):
    """The log-mel spectrogram of YAMNet: `log(|STFT| @ mel + 0.001)` with Hann windows and 64 bands from 125 Hz to 7.5 kHz.

    The waveform is padded with 120 zeros on both sides, so that mel frame i is centred on sample 160 i + 80. No small
    constant is added before the square root of the power: the ONNX exporter would replace it with zero, and the exported
    graph would differ on digital silence.
    """

    def __init__(self) -> None:
        super().__init__(torch.diag(hann(periodic=True)), mel_filterbank())

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) in [-1, 1] to log-mel (B, N / 160, 64); N is a multiple of 160."""
        padding = (WINDOW_SAMPLES - HOP_SAMPLES) // 2
        magnitude = torch.sqrt(self.power(F.pad(waveform, (padding, padding))))
        return torch.log(self.in_bands(magnitude) + LOG_OFFSET).transpose(1, 2)


class KaldiFbank(MelBands):
    """Kaldi's log-mel filterbank from 20 Hz to 8 kHz, normalized as ASiT expects it.

    The mean of each frame is subtracted; the frame is then pre-emphasized, with its first sample repeated as the predecessor
    of that sample, and windowed. ASiT also subtracts the mean of the whole waveform first. That step is omitted, because it
    has no effect if the mean of every frame is subtracted. Only complete frames are used (`snip_edges` in Kaldi): mel frame i
    starts at sample 160 i. Some of the lowest bands lie between two frequencies of the transform; their values are always
    the floor.
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
        """`waveform` (B, N) in [-1, 1] to log-mel (B, M, bands) with M = 1 + (N - 400) // 160."""
        log_mel = torch.log(self.in_bands(self.power(waveform)).clamp(min=self.FLOOR))
        return ((log_mel - self.MEAN) / (2 * self.DEVIATION)).transpose(1, 2)


class EmphasizedLogMel(MelBands):
    """The normalized log-mel spectrogram of EfficientSED's MobileNets: 128 bands up to 7 kHz.

    The whole waveform is pre-emphasized, then padded by reflection at both ends, so that mel frame i is centred on sample
    160 i.
    """

    FLOOR = 1e-7
    SHIFT, RANGE = 4.5, 5.0

    def __init__(self) -> None:
        super().__init__(torch.diag(hann(periodic=False)), mel_filterbank(128, 0.0, 7_000.0))

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) in [-1, 1] to log-mel (B, N / 160, 128); N is a multiple of 160."""
        emphasized = waveform[:, 1:] - PRE_EMPHASIS * waveform[:, :-1]
        half = WINDOW_SAMPLES // 2
        mel = self.in_bands(self.power(F.pad(emphasized, (half, half), mode="reflect")))
        return ((torch.log(mel.clamp(min=self.FLOOR)) + self.SHIFT) / self.RANGE).transpose(1, 2)


class WideLogMel(MelBands):
    """The normalized log-mel spectrogram of EfficientAT, 128 bands up to 15 kHz at 32 kHz, computed at 16 kHz.

    EfficientAT hears 32 kHz, with windows of 800 samples and a transform of 1024. A transform of 512 samples at 16 kHz has the
    same frequencies up to 8 kHz; its magnitudes are half as large. The pre-emphasis, x[n] - 0.97 x[n - 1] at 32 kHz,
    multiplies the power by `|1 - 0.97 exp(-iw)|^2`, which is part of the filterbank here. The bands above 8 kHz are silent. The
    waveform is padded by reflection at both ends, so that mel frame i is centred on sample 160 i.
    """

    OFFSET = 1e-5
    SHIFT, RANGE = 4.5, 5.0
    SILENCE = (math.log(OFFSET) + SHIFT) / RANGE + 1e-4
    """Mel frames whose bands are all below this value hold no sound."""

    def __init__(self) -> None:
        hertz = torch.arange(FFT_SAMPLES // 2 + 1, dtype=torch.float64) * SAMPLE_RATE_HZ / FFT_SAMPLES
        phase = math.pi * hertz / SAMPLE_RATE_HZ  # of one sample at 32 kHz
        emphasis = 1 + PRE_EMPHASIS**2 - 2 * PRE_EMPHASIS * torch.cos(phase)
        filterbank = 4 * emphasis * mel_filterbank(128, 0.0, 15_000.0)
        super().__init__(torch.diag(hann(periodic=False)), filterbank.float())

    def forward(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) in [-1, 1] to log-mel (B, N / 160, 128); N is a multiple of 160."""
        half = WINDOW_SAMPLES // 2
        mel = self.in_bands(self.power(F.pad(waveform, (half, half - HOP_SAMPLES), mode="reflect")))
        return ((torch.log(mel + self.OFFSET) + self.SHIFT) / self.RANGE).transpose(1, 2)

    @classmethod
    def amplified(cls, log_mel: Tensor, gain: Tensor) -> Tensor:
        """Spectrograms (B, M, 128) whose power is multiplied by `gain`, which has a shape that broadcasts to theirs."""
        power = (torch.exp(log_mel * cls.RANGE - cls.SHIFT) - cls.OFFSET).clamp(min=0)
        return (torch.log(power * gain + cls.OFFSET) + cls.SHIFT) / cls.RANGE


class HalfRate(nn.Module):
    """Resamples a waveform to half its sample rate: a sinc low-pass filter with a Kaiser window, then every second sample.

    The filter equals `sinc_interp_kaiser` of torchaudio, with which TACOS was trained: 6 zero crossings on either side and
    a cut-off at 99 % of the new Nyquist frequency.
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
        """`waveform` (B, N) to (B, N / 2); N is even."""
        return F.conv1d(F.pad(waveform, (self.REACH, self.REACH))[:, None], self.taps, stride=2)[:, 0]
