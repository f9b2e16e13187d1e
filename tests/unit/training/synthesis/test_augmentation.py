import numpy as np

from training.synthesis.augmentation import change_speed, through_codec, tilt


def test_speed_changes_length_by_at_most_its_factor() -> None:
    rng = np.random.default_rng(2)
    lengths = [len(change_speed(rng, np.zeros(16_000, dtype=np.float32), 1.25)) for _ in range(50)]
    assert min(lengths) >= 12_700
    assert max(lengths) <= 20_100
    assert max(lengths) - min(lengths) > 3000


def test_filters_and_codec_keep_the_length() -> None:
    rng = np.random.default_rng(3)
    samples = (0.1 * rng.standard_normal(20_000)).astype(np.float32)
    assert tilt(rng, samples, 16_000).shape == samples.shape
    coded = through_codec(rng, samples, 16_000)
    assert coded.shape == samples.shape
    assert np.isfinite(coded).all()
