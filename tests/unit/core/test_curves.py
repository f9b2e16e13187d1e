from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import median_filter
from scipy.special import expit

from service.core.curves import score_curves, smooth
from service.core.extension import Extension
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.scoring import Calibration

GRID = FrameGrid(sample_rate_hz=10, hop_samples=1)  # frames of 0.1 s
SETTINGS = Postprocessing(
    threshold=0.5, threshold_off=0.5, median_filter_s=0.3, extent_ratio=0.4, min_duration_s=0.1, merge_gap_s=0
)
CALIBRATION = Calibration(scale=12, bias=-5)
similarities = arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 50)), elements=st.floats(-1, 1, width=32))


@given(similarities)
def test_a_curve_is_scored_then_smoothed_then_extended(similarity: np.ndarray) -> None:
    curves = score_curves(similarity, CALIBRATION, GRID, SETTINGS)
    smoothed = median_filter(expit(12 * similarity - 5), (1, 3), mode="nearest")
    np.testing.assert_allclose(curves.smoothed, smoothed, atol=1e-6)
    np.testing.assert_array_equal(curves.extended, Extension(0.4).extend(curves.smoothed))
    of_model = replace(SETTINGS, extent_scale="odds", core_s=0.3, short_extent_ratio=0.6)
    extended = score_curves(similarity, CALIBRATION, GRID, of_model).extended
    np.testing.assert_array_equal(extended, Extension(0.4, "odds", 3, 0.6).extend(curves.smoothed))


@given(similarities)
def test_smoothing_the_evidence_is_smoothing_the_scores(similarity: np.ndarray) -> None:
    smoothed_before = smooth(similarity, GRID, SETTINGS)
    curves = score_curves(smoothed_before, CALIBRATION, GRID, replace(SETTINGS, median_filter_s=0))
    np.testing.assert_allclose(
        curves.extended, score_curves(similarity, CALIBRATION, GRID, SETTINGS).extended, atol=1e-6
    )


def test_segments_are_cut_from_the_extended_curve_and_peak_in_the_smoothed_one() -> None:
    similarity = np.float32([[0, 0, 0.4, 0.4, 0.4, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0]])  # scores 0.01, 0.45 and 0.99
    (segment,) = score_curves(similarity, CALIBRATION, GRID, SETTINGS).segments(0, 1.2)
    assert (segment.onset_s, segment.offset_s) == pytest.approx((0.2, 1.1))
    assert (segment.peak_s, segment.score) == pytest.approx((0.55, expit(12 * 0.8 - 5)))
