import math

import kaldi_native_fbank as knf
import numpy as np
import pytest
import torch
from scipy.signal import resample, stft

from training.towers.front_end import (
    EmphasizedLogMel,
    HalfRate,
    KaldiFbank,
    LogMel,
    WideLogMel,
    mel_filterbank,
)


def test_the_spectrogram_is_the_log_of_the_short_time_fourier_transform_in_mel_bands() -> None:
    waveform = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    padded = np.pad(waveform, 120)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    _, _, spectrum = stft(
        padded, window=window, nperseg=400, noverlap=240, nfft=512, boundary=None, padded=False, scaling="spectrum"
    )
    magnitude = np.abs(spectrum) * window.sum()
    expected = np.log(mel_filterbank().numpy() @ magnitude + 1e-3).T
    spectrogram = LogMel()(torch.from_numpy(waveform)[None])[0].numpy()
    assert spectrogram.shape == (100, 64)
    np.testing.assert_allclose(spectrogram, expected, atol=2e-4)


def test_mel_bands_overlap_and_sum_to_one_between_their_centres() -> None:
    bands = mel_filterbank()
    assert bands.shape == (64, 257)
    low, high = 300 * 512 // 16_000, 7000 * 512 // 16_000
    assert torch.allclose(bands.sum(dim=0)[low:high], torch.ones(high - low), atol=1e-5)


def kaldi_fbank(samples: np.ndarray, bands: int) -> np.ndarray:
    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "hanning"
    options.mel_opts.num_bins = bands
    options.use_energy, options.htk_compat = False, True
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(16_000, samples.tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])


@pytest.mark.parametrize(("offset", "n_samples"), [(0.0, 16_000), (0.2, 159_040)])
def test_the_filterbank_equals_that_of_kaldi(offset: float, n_samples: int) -> None:
    samples = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32) * 0.1 + np.float32(offset)
    samples[: n_samples // 4] = 0  # digital silence has the value of the floor
    expected = (kaldi_fbank(samples - samples.mean(), 80) + 4.2677393) / (2 * 4.5689974)  # Kaldi refuses 128 bands
    spectrogram = KaldiFbank(80)(torch.from_numpy(samples)[None])[0].numpy()
    np.testing.assert_allclose(spectrogram, expected, atol=1e-3)


def test_a_window_of_asit_has_992_mel_frames() -> None:
    assert KaldiFbank()(torch.zeros(1, 497 * 320)).shape == (1, 992, 128)


def test_the_emphasized_spectrogram_is_that_of_the_centred_short_time_fourier_transform() -> None:
    waveform = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 16_000)).astype(np.float32) * 0.1)
    emphasized = waveform[:, 1:] - 0.97 * waveform[:, :-1]
    window = torch.hann_window(400, periodic=False)
    spectrum = torch.stft(emphasized, 512, 160, 400, window, center=True, return_complex=True).abs() ** 2
    expected = (torch.log((mel_filterbank(128, 0.0, 7_000.0) @ spectrum).clamp(min=1e-7)) + 4.5) / 5
    spectrogram = EmphasizedLogMel()(waveform)
    assert spectrogram.shape == (2, 100, 128)
    assert torch.allclose(spectrogram, expected.transpose(1, 2), atol=1e-3)


def test_the_wide_spectrogram_at_16_khz_is_that_of_efficientat_at_32_khz() -> None:
    time = np.arange(16_000) / 16_000
    tones = sum(np.sin(2 * np.pi * hertz * time + hertz) for hertz in (60, 440, 1_300, 3_700, 6_900))
    waveform = (0.1 * tones * np.hanning(16_000)).astype(np.float32)
    upsampled = torch.from_numpy(resample(waveform, 32_000)).float()
    emphasized = upsampled[1:] - 0.97 * upsampled[:-1]
    window = torch.hann_window(800, periodic=False)
    spectrum = torch.stft(emphasized, 1024, 320, 800, window, center=True, return_complex=True).abs() ** 2
    mel = kaldi_bands_at_32_khz() @ spectrum
    expected = ((torch.log(mel + 1e-5) + 4.5) / 5).T[:100]
    spectrogram = WideLogMel()(torch.from_numpy(waveform)[None])[0]
    assert spectrogram.shape == (100, 128)
    loud = expected > 0  # a band without a tone holds what the two windows leak, which differs
    assert float((spectrogram - expected)[loud].abs().max()) < 0.06
    assert float((spectrogram - expected).abs().mean()) < 0.02


def kaldi_bands_at_32_khz() -> torch.Tensor:
    """128 Kaldi mel bands from 0 to 15 kHz over the 513 frequencies of a transform of 1024 samples at 32 kHz."""
    edges = np.linspace(0, 1127 * np.log1p(15_000 / 700), 130)
    mel = 1127 * np.log1p(np.arange(513) * 31.25 / 700)
    bands = [np.interp(mel, edges[i : i + 3], [0, 1, 0]) for i in range(128)]
    return torch.from_numpy(np.stack(bands)).float()


def test_digital_silence_is_below_the_limit_of_silence_and_faint_noise_above() -> None:
    front_end = WideLogMel()
    assert float(front_end(torch.zeros(1, 1600)).max()) < WideLogMel.SILENCE
    assert float(front_end(torch.randn(1, 1600) * 1e-3).amax(dim=2).min()) > WideLogMel.SILENCE


@pytest.mark.parametrize(("hertz", "gain"), [(100, 1.0), (3_000, 1.0), (7_920, 0.5), (13_000, 0.0), (15_000, 0.0)])
def test_halving_the_rate_keeps_frequencies_below_the_new_nyquist_and_removes_others(hertz: int, gain: float) -> None:
    tone = torch.sin(2 * math.pi * hertz * torch.arange(32_000, dtype=torch.float64) / 32_000).float()
    halved = HalfRate()(tone[None])[0]
    assert halved.shape == (16_000,)
    inner = slice(100, -100)
    assert torch.allclose(halved[inner], gain * tone[::2][inner], atol=2e-3)


def test_amplifying_a_wide_spectrogram_equals_amplifying_its_waveform() -> None:
    torch.manual_seed(0)
    waveform, front_end = torch.randn(2, 3200) * 0.01, WideLogMel()
    quiet = torch.zeros(1, 3200)
    for sound in (waveform, quiet):
        louder = front_end.amplified(front_end(sound), torch.tensor(4.0))
        torch.testing.assert_close(louder, front_end(2 * sound), atol=1e-4, rtol=0)
