import numpy as np
import pytest

from training.synthesis.noise import coloured_noise, reverberate


@pytest.mark.parametrize(("exponent", "slope_db"), [(0.0, 0.0), (1.0, -3.0), (2.0, -6.0)])
def test_coloured_noise_falls_by_three_decibels_an_octave_and_exponent(exponent: float, slope_db: float) -> None:
    noise = coloured_noise(np.random.default_rng(0), 160_000, exponent)
    assert np.mean(noise**2) == pytest.approx(1.0, rel=1e-3)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [power[10 * low : 10 * 2 * low].mean() for low in (200, 400, 800, 1600)]
    assert np.diff(10 * np.log10(octaves)) == pytest.approx(slope_db, abs=0.6)


def test_a_room_keeps_length_and_onset() -> None:
    dry = np.zeros(8000, dtype=np.float32)
    dry[1000] = 1.0
    wet = reverberate(np.random.default_rng(1), dry, 16_000)
    assert wet.shape == dry.shape
    assert np.abs(wet[:1000]).max() < 1e-6
    assert wet[1000] == pytest.approx(1.0, abs=1e-3)
    assert np.abs(wet[1001:]).max() > 0
