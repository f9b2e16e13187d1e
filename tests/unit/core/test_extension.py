import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label

from service.core.extension import Extension

curves = arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 50)), elements=st.floats(0, 1, width=32))
scales = st.sampled_from(["score", "odds"])
without_short_peaks = st.builds(Extension, st.floats(0.1, 1), scales)
with_short_peaks = st.builds(
    lambda ratio, scale, core, more: Extension(ratio, scale, core, ratio + more * (1 - ratio)),
    st.floats(0.1, 1),
    scales,
    st.integers(1, 10),
    st.floats(0, 1),
)


def _runs_with(levels: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """The runs of true `levels` that contain one of the true `marks`."""
    runs, _ = label(levels)
    return np.isin(runs, np.setdiff1d(runs[marks], 0))


@given(curves, without_short_peaks)
def test_cutting_an_extended_curve_at_any_level_is_hysteresis_on_the_curve_before(
    curve: np.ndarray, extension: Extension
) -> None:
    for before, after, high in zip(curve, extension.extend(curve), extension.ceiling(curve), strict=True):
        for level in np.unique(np.concatenate([before, after])):
            np.testing.assert_array_equal(after > level, _runs_with(high > level, before > level))


@given(curves, with_short_peaks)
def test_short_peaks_reach_as_far_as_their_own_ratio_allows(curve: np.ndarray, extension: Extension) -> None:
    short = Extension(extension.short_ratio, extension.scale).ceiling(curve)
    for before, after, high, low in zip(curve, extension.extend(curve), extension.ceiling(curve), short, strict=True):
        for level in np.unique(np.concatenate([before, after])):
            runs, _ = label(before > level)
            is_core = (np.bincount(runs.ravel()) >= extension.core_frames)[runs] & (before > level)
            expected = _runs_with(high > level, is_core) | _runs_with(low > level, before > level)
            np.testing.assert_array_equal(after > level, expected)


@given(curves, without_short_peaks | with_short_peaks)
def test_an_extension_keeps_the_maximum_and_lowers_nothing(curve: np.ndarray, extension: Extension) -> None:
    extended = extension.extend(curve)
    assert (extended >= curve).all()
    np.testing.assert_array_equal(extended.max(axis=1), curve.max(axis=1))


def test_frames_around_a_peak_are_raised_while_they_are_above_a_fraction_of_it() -> None:
    before = np.float32([[0.1, 0.3, 0.8, 0.5, 0.3, 0.45, 0.1, 0.0, 0.6]])
    expected = np.float32([[0.2, 0.6, 0.8, 0.8, 0.6, 0.6, 0.2, 0.0, 0.6]])  # by hand, with a ratio of a half
    np.testing.assert_array_equal(Extension(0.5).extend(before), expected)


def test_with_odds_a_high_peak_reaches_less_far_than_a_low_one() -> None:
    before = np.float32([[0.2, 0.5, 0.8, 0.1, 0.05, 0.1, 0.2]])
    # the odds of 0.8 are 4, of 0.5 are 1, of 0.2 are 1/4: by hand, with a ratio of a quarter
    expected = np.float32([[0.5, 0.8, 0.8, 4 / 13, 4 / 23, 0.2, 0.2]])
    np.testing.assert_allclose(Extension(0.25, "odds").extend(before), expected, rtol=1e-6)


def test_a_short_peak_reaches_less_far_than_a_long_one() -> None:
    before = np.float32([[0.3, 0.6, 0.3, 0.0, 0.3, 0.6, 0.6, 0.3]])
    expected = np.float32([[0.375, 0.6, 0.375, 0.0, 0.6, 0.6, 0.6, 0.6]])  # by hand, with ratios of 0.5 and 0.8
    np.testing.assert_allclose(Extension(0.5, "score", 2, 0.8).extend(before), expected, rtol=1e-6)


@pytest.mark.parametrize("extension", [Extension(0.4), Extension(0.2, "odds", 7, 0.6)])
def test_extending_works_across_its_chunks(extension: Extension) -> None:
    curve = np.random.default_rng(0).random((30, 5_000), np.float32)
    np.testing.assert_array_equal(extension.extend(curve)[-1:], extension.extend(curve[-1:]))


@pytest.mark.parametrize("scale", ["score", "odds"])
def test_a_ratio_of_1_extends_nothing(scale: str) -> None:
    curve = np.random.default_rng(0).random((3, 100), np.float32)
    np.testing.assert_array_equal(Extension(1.0, scale).extend(curve), curve)


@pytest.mark.parametrize(("ratio", "short_ratio"), [(0.0, 1.0), (1.1, 1.1), (0.5, 0.4)])
def test_an_extent_ratio_out_of_range_is_refused(ratio: float, short_ratio: float) -> None:
    with pytest.raises(ValueError, match="extent ratio"):
        Extension(ratio, short_ratio=short_ratio)
