import numpy as np
import pytest

from training.data.pack import AudioStore
from training.synthesis.background import draw_ambience, drifting_noise, is_steady, steady_recordings

RATE_HZ = 16_000


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def test_a_recording_that_pauses_is_not_steady() -> None:
    pausing = noise(6.0)
    pausing[RATE_HZ : 2 * RATE_HZ] *= 0.01
    assert is_steady(noise(6.0), RATE_HZ)
    assert not is_steady(pausing, RATE_HZ)


def test_a_recording_with_a_loud_event_or_of_one_second_is_not_steady() -> None:
    loud = noise(6.0)
    loud[RATE_HZ : 2 * RATE_HZ] *= 20
    assert not is_steady(loud, RATE_HZ)
    assert not is_steady(noise(1.0), RATE_HZ)


def test_only_steady_candidates_are_kept() -> None:
    parts = [noise(3.0), np.concatenate([noise(2.0), np.zeros(2 * RATE_HZ, np.float32)]), noise(3.0)]
    samples = (32767 * np.concatenate(parts)).clip(-32767, 32767).astype(np.int16)
    store = AudioStore(samples, np.cumsum([0, *(len(part) for part in parts)]), RATE_HZ)
    assert steady_recordings(store, [0, 1]) == [0]


def test_a_long_ambience_is_cut_and_has_unit_power() -> None:
    samples = noise(5.0)
    ambience = draw_ambience(np.random.default_rng(1), samples, 2 * RATE_HZ, RATE_HZ)
    start = round(ambience.source_onset_s * RATE_HZ)
    gain = ambience.samples[0] / samples[start]
    np.testing.assert_allclose(ambience.samples, gain * samples[start : start + 2 * RATE_HZ], rtol=1e-3, atol=1e-4)
    assert np.mean(ambience.samples**2) == pytest.approx(1, rel=1e-3)
    assert ambience.loop_s == 0


def test_a_short_ambience_is_repeated_after_its_loop_time() -> None:
    ambience = draw_ambience(np.random.default_rng(1), noise(1.0), 3 * RATE_HZ, RATE_HZ)
    loop = round(ambience.loop_s * RATE_HZ)
    assert ambience.loop_s == pytest.approx(0.9)
    np.testing.assert_array_equal(ambience.samples[loop : 2 * loop], ambience.samples[:loop])


def test_drifting_noise_has_unit_power_and_drifts_within_its_range() -> None:
    steady = drifting_noise(np.random.default_rng(0), 8 * RATE_HZ, RATE_HZ, 0.0)
    drifting = drifting_noise(np.random.default_rng(0), 8 * RATE_HZ, RATE_HZ, 10.0)
    assert np.mean(drifting**2) == pytest.approx(1, rel=1e-3)
    ratio_db = 20 * np.log10(np.abs(drifting) / np.maximum(np.abs(steady), 1e-9))
    assert 3 < np.ptp(ratio_db) <= 20.01
