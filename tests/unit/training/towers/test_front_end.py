import numpy as np
import torch
from scipy.signal import stft

from training.towers.front_end import LogMel, mel_filterbank


def test_the_spectrogram_is_the_log_of_the_short_time_fourier_transform_in_mel_bands() -> None:
    waveform = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    padded = np.pad(waveform, 120)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    _, _, spectrum = stft(
        padded, window=window, nperseg=400, noverlap=240, nfft=512, boundary=None, padded=False, scaling="spectrum"
    )
    magnitude = np.abs(spectrum) * window.sum()
    expected = np.log(mel_filterbank().numpy() @ magnitude + 1e-3).T
    found = LogMel()(torch.from_numpy(waveform)[None])[0].numpy()
    assert found.shape == (100, 64)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_mel_bands_overlap_and_sum_to_one_between_their_centres() -> None:
    bands = mel_filterbank()
    assert bands.shape == (64, 257)
    low, high = 300 * 512 // 16_000, 7000 * 512 // 16_000
    assert torch.allclose(bands.sum(dim=0)[low:high], torch.ones(high - low), atol=1e-5)
