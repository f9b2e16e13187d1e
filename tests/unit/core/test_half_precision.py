import numpy as np
import pytest

from service.core.half_precision import to_single

ALL = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def test_every_finite_number_is_converted_exactly_with_its_sign() -> None:
    finite = ALL[np.isfinite(ALL)]
    expected = finite.astype(np.float32)
    np.testing.assert_array_equal(to_single(finite).view(np.uint32), expected.view(np.uint32))


def test_numbers_that_are_not_finite_become_larger_than_every_finite_number() -> None:
    assert np.abs(to_single(ALL[~np.isfinite(ALL)])).min() >= 65_536


@pytest.mark.parametrize("cut", [np.s_[:], np.s_[::2], np.s_[:, 1:], np.s_[:0], np.s_[3]])
def test_parts_of_an_array_are_converted_and_the_array_stays_as_it_is(cut: slice) -> None:
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float16)
    before = values.copy()
    values.flags.writeable = False
    np.testing.assert_array_equal(to_single(values[cut]), values[cut].astype(np.float32))
    np.testing.assert_array_equal(values, before)
