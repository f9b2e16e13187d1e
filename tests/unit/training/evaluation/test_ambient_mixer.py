from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator

from training.data.pack import AudioStore, Recording
from training.evaluation.ambient_mixer import AmbientMixer, Layout

RATE_HZ = 16_000
LABELS = ("rain", "thunderstorm", "tone", "rare")


def onsets(rng: Generator, duration_s: float) -> Iterator[float | None]:
    del rng, duration_s
    yield from (1.0, 5.0, None)


def mixer(snr_db: tuple[float, float] = (20.0, 20.0), onsets=onsets) -> AmbientMixer:
    """Recordings of 1 s; the tone is silent in its first half. Rain is the only ambience."""
    rng = np.random.default_rng(0)
    noise = rng.uniform(-0.5, 0.5, RATE_HZ)
    tone = np.sin(np.arange(RATE_HZ) * 0.3) * (np.arange(RATE_HZ) >= RATE_HZ // 2)
    samples = [noise, noise, tone, tone]
    store = AudioStore((np.concatenate(samples) * 32_767).astype(np.int16), np.cumsum([0, *map(len, samples)]), RATE_HZ)
    recordings = [Recording(Path(f"{label}.wav"), label, "val") for label in LABELS]
    return AmbientMixer.of(recordings, store, {"tone"}, Layout(8.0, onsets, snr_db), seed=1)


def test_the_events_are_the_active_parts_of_the_sounds() -> None:
    mixed = mixer()
    assert mixed.ambience_label(0) == "rain"
    events = mixed.events(0)
    assert {label for label, _, _ in events} <= {"tone", "rare"}  # a thunderstorm may hold rain
    assert [event[1:] for event in events[:2]] == [pytest.approx((1.5, 2.0)), pytest.approx((5.5, 6.0))]
    assert 0.5 <= events[2][1] < events[2][2] <= 8.0
    assert mixed.queried_labels(0, LABELS) == (2, 3)


def test_a_sound_has_the_drawn_power_over_the_ambience() -> None:
    for snr_db in (0.0, 10.0):
        waveform = mixer((snr_db, snr_db)).waveform(0, RATE_HZ).astype(np.float64)
        before, inside = waveform[:RATE_HZ], waveform[round(1.5 * RATE_HZ) : 2 * RATE_HZ]
        ratio = np.mean(inside**2) / np.mean(before**2) - 1  # the ambience goes on under the sound
        assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=1.0)
        assert 0.1 - 1e-6 <= np.abs(waveform).max() <= 10 ** (-1 / 20) + 1e-6


def test_labels_that_are_searched_for_are_drawn_more_often_than_rare_labels() -> None:
    assert mixer().weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1.0, 1 / 3])


def test_a_mixture_is_always_the_same_and_differs_from_the_next() -> None:
    first, again = mixer((0.0, 20.0)), mixer((0.0, 20.0))
    assert first.events(3) == again.events(3)
    np.testing.assert_array_equal(first.waveform(3, RATE_HZ), again.waveform(3, RATE_HZ))
    assert first.events(3) != first.events(4)


def test_a_mixture_without_an_allowed_label_has_no_sounds() -> None:
    mixed = mixer()
    rain = AmbientMixer.of(mixed.recordings[:2], mixed.store, {"rain"}, mixed.layout, seed=1)
    assert rain.events(0) == ()
    assert rain.waveform(0, RATE_HZ).shape == (8 * RATE_HZ,)
