from dataclasses import fields, replace

import numpy as np
import pytest

from training.synthesis.channel import Channel, quantized, through_channel

RATE_HZ = 16_000
NONE = replace(Channel(), **{f.name: 0.0 for f in fields(Channel) if f.name.endswith("_rate")})


def noise(seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(32_000)).astype(np.float32)


def band_power(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return float(spectrum[(frequency >= low_hz) & (frequency < high_hz)].mean())


def test_without_changes_the_scene_stays_as_it_is() -> None:
    np.testing.assert_array_equal(through_channel(np.random.default_rng(0), noise(), RATE_HZ, NONE), noise())


def test_a_low_pass_takes_away_what_is_above_its_cut_off() -> None:
    channel = replace(NONE, low_pass_rate=1.0, low_pass_hz=(4000.0, 4000.0))
    passed = through_channel(np.random.default_rng(0), noise(), RATE_HZ, channel)
    assert band_power(passed, 6000, 8000) < 1e-2 * band_power(noise(), 6000, 8000)
    assert band_power(passed, 200, 2500) == pytest.approx(band_power(noise(), 200, 2500), rel=0.02)


def test_a_high_pass_takes_away_what_is_below_its_cut_off() -> None:
    channel = replace(NONE, high_pass_rate=1.0, high_pass_hz=(400.0, 400.0))
    passed = through_channel(np.random.default_rng(0), noise(), RATE_HZ, channel)
    assert band_power(passed, 0, 100) < 1e-2 * band_power(noise(), 0, 100)


def test_the_equalizer_keeps_to_its_range() -> None:
    channel = replace(NONE, equalizer_rate=1.0, equalizer_db=6.0)
    for seed in range(5):
        passed = through_channel(np.random.default_rng(seed), noise(), RATE_HZ, channel)
        gains_db = [
            10 * np.log10(band_power(passed, f, 1.2 * f) / band_power(noise(), f, 1.2 * f)) for f in (100, 1000, 5000)
        ]
        assert all(abs(gain) <= 6.3 for gain in gains_db)


def test_saturation_keeps_the_peak_and_raises_the_rest() -> None:
    passed = through_channel(np.random.default_rng(0), noise(), RATE_HZ, replace(NONE, saturation_rate=1.0))
    assert np.abs(passed).max() == pytest.approx(np.abs(noise()).max(), rel=1e-3)
    assert np.mean(passed**2) > 1.5 * np.mean(noise() ** 2)


def test_quantized_samples_have_at_most_255_values_close_to_the_samples() -> None:
    samples = np.linspace(-1, 1, 20_001, dtype=np.float32)
    values = quantized(samples)
    assert len(np.unique(values)) <= 255
    np.testing.assert_allclose(values, samples, atol=0.03)
    assert values[10_000] == 0


def test_a_change_keeps_length_and_timing() -> None:
    channel = replace(Channel(), low_pass_rate=1.0, high_pass_rate=1.0, equalizer_rate=1.0)
    click = np.zeros(16_000, dtype=np.float32)
    click[8000] = 1.0
    for seed in range(5):
        passed = through_channel(np.random.default_rng(seed), click, RATE_HZ, channel)
        assert passed.shape == click.shape
        assert passed.dtype == np.float32
        assert abs(int(np.abs(passed).argmax()) - 8000) <= 2
