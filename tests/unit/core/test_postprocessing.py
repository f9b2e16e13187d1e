import math
from dataclasses import fields, replace

import pytest

from service.core.errors import ParameterInvalid
from service.core.extension import Extension
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing

DEFAULT = Postprocessing(
    threshold=0.5, threshold_off=0.3, median_filter_s=0.5, extent_ratio=0.5, min_duration_s=0.2, merge_gap_s=0.2
)


def test_a_threshold_alone_keeps_the_ratio_to_threshold_off() -> None:
    changed = DEFAULT.override(threshold=0.25)
    assert (changed.threshold, changed.threshold_off) == pytest.approx((0.25, 0.15))


def test_given_thresholds_are_used_and_missing_thresholds_keep_the_default() -> None:
    assert DEFAULT.override(threshold=0.9, threshold_off=0.1).threshold_off == 0.1
    assert DEFAULT.override() == DEFAULT


def test_an_extent_ratio_has_a_lower_bound_too() -> None:
    with pytest.raises(ParameterInvalid, match=r"extent_ratio is 0\.09; accepted: 0\.1 to 1"):
        DEFAULT.override(extent_ratio=0.09)


def test_threshold_off_never_exceeds_the_threshold() -> None:
    with pytest.raises(ParameterInvalid, match=r"threshold_off is 0\.6; accepted: 0 to the threshold, 0.5"):
        DEFAULT.override(threshold_off=0.6)
    flat = Postprocessing(0.7, 0.7, 0, 1, 0, 0)
    for threshold in (0.1, 0.3, 0.7, 0.999, 1.0, 0.0):
        assert flat.override(threshold=threshold).threshold_off <= threshold


@pytest.mark.parametrize("name", [field.name for field in fields(Postprocessing)])
@pytest.mark.parametrize("value", [-0.1, 3601, math.nan, math.inf])
def test_values_outside_their_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ParameterInvalid) as caught:
        replace(DEFAULT, **{name: value})
    assert caught.value.name == name


def test_short_peaks_are_never_extended_further_than_others() -> None:
    grid = FrameGrid(16_000, 640)
    of_model = replace(DEFAULT, extent_scale="odds", core_s=0.28, short_extent_ratio=0.6)
    assert of_model.extension(grid) == Extension(0.5, "odds", 7, 0.6)
    assert of_model.override(extent_ratio=0.8).extension(grid) == Extension(0.8, "odds", 7, 0.8)
    assert of_model.override(extent_ratio=1).extension(grid).short_ratio == 1
