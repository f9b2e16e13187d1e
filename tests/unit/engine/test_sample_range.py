import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.sample_range import SampleRange, sample_range


@pytest.mark.parametrize(
    ("peak", "share_beyond", "divisor"),
    [
        (0.0, 0.0, 1),
        (1.0, 0.0, 1),
        (1.9, 0.9, 1),  # a little too loud
        (5.0, 0.3, 5),  # a loud mix
        (5.0, 0.01, 1),  # a few stray samples
        (100.0, 0.9, 2**15),  # quiet 16-bit integers
        (32_768.0, 0.9, 2**15),
        (33_000.0, 0.9, 2**15),  # overshoot of a resampler
        (8e6, 0.9, 2**23),
        (2e9, 0.9, 2**31),
        (1e6, 0.001, 1),
    ],
)
def test_the_divisor_is_the_full_scale_of_a_common_integer_format(
    peak: float, share_beyond: float, divisor: float
) -> None:
    assert SampleRange(peak, share_beyond).divisor == divisor


def test_zeros_do_not_count_as_samples_within_range() -> None:
    silence_and_sound = np.concatenate([np.zeros(10_000), np.full(100, 20_000)]).astype(np.float32)
    assert sample_range([silence_and_sound]) == SampleRange(20_000, 1.0)
    assert sample_range([]) == SampleRange(0, 0)


@given(st.lists(st.floats(-1e9, 1e9, width=32), min_size=1, max_size=50), st.integers(1, 10))
def test_the_range_does_not_depend_on_the_blocks(values: list[float], n_blocks: int) -> None:
    samples = np.array(values, np.float32)
    assert sample_range(np.array_split(samples, n_blocks)) == sample_range([samples[:, None]])


@given(st.floats(2.125, 2**31, width=32))
def test_scaled_samples_are_at_most_2(peak: float) -> None:
    assert 0 < peak / SampleRange(peak, 1.0).divisor <= 2
