import numpy as np

from training.data.pack import AudioStore
from training.synthesis.bursts import Bursts, bursts_of, find_bursts

RATE_HZ = 16_000
BLOCK = 320


def recording(*sounds: tuple[int, int, float], length: int = 200) -> np.ndarray:
    """A recording of `length` blocks of 20 ms with sounds of constant level: (start, end, level) each."""
    levels = np.zeros(length, dtype=np.float32)
    for start, end, level in sounds:
        levels[start:end] = level
    return np.repeat(levels, BLOCK)


def test_short_sounds_that_stand_alone_are_bursts() -> None:
    samples = recording((10, 15, 0.5), (50, 70, 0.5), (100, 150, 0.5))
    assert bursts_of(samples, RATE_HZ) == [(10, 15), (50, 70)]  # the third sound lasts 1 s


def test_sounds_with_little_silence_between_them_are_one_sound() -> None:
    assert bursts_of(recording((10, 15, 0.5), (19, 22, 0.5)), RATE_HZ) == [(10, 22)]
    assert bursts_of(recording((10, 25, 0.5), (29, 45, 0.5)), RATE_HZ) == []


def test_a_sound_much_quieter_than_the_loudest_is_no_burst() -> None:
    assert bursts_of(recording((10, 15, 0.5), (50, 55, 0.04)), RATE_HZ) == [(10, 15)]


def test_silence_has_no_bursts() -> None:
    assert bursts_of(recording(), RATE_HZ) == []


def test_a_recording_with_many_bursts_is_drawn_no_more_often() -> None:
    parts = [recording((10, 15, 0.5)), recording((10, 15, 0.5), (50, 55, 0.5)), recording()]
    samples = (32767 * np.concatenate(parts)).astype(np.int16)
    store = AudioStore(samples, np.cumsum([0, *(len(part) for part in parts)]), RATE_HZ)
    bursts = find_bursts(store)
    assert bursts.recording.tolist() == [0, 1, 1]
    assert bursts.weights(np.array([1.0, 3.0, 5.0])).tolist() == [1.0, 1.5, 1.5]


def test_a_store_without_bursts_gives_empty_arrays() -> None:
    empty = find_bursts(AudioStore(np.zeros(BLOCK, np.int16), np.array([0, BLOCK]), RATE_HZ))
    assert isinstance(empty, Bursts)
    assert len(empty.weights(np.ones(1))) == 0
