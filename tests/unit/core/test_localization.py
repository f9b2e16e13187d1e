import dataclasses
from pathlib import Path

import numpy as np
import pytest

from service.core import localization
from service.core.localization import localize, query_warnings, with_warnings
from service.core.manifest import Manifest, verify_bundle
from service.core.presence import PresenceRule
from service.core.scoring import EncodedQueries
from service.core.warnings import AnswerWarning


@pytest.fixture
def manifest(tiny_bundle: Path) -> Manifest:
    return verify_bundle(tiny_bundle)


def _axis(index: int) -> np.ndarray:
    return np.eye(8, dtype=np.float32)[index]


def _encoded(*axes: int) -> EncodedQueries:
    return EncodedQueries(np.stack([_axis(index) for index in axes]))


def test_each_query_gets_its_curves_and_segments(manifest: Manifest) -> None:
    frames = np.stack([_axis(7)] * 10 + [_axis(0)] * 10 + [_axis(7)] * 5)
    low, high = localize(frames, ["low", "high"], _encoded(0, 2), manifest, manifest.postprocessing, duration_s=0.99)
    (segment,) = low.segments
    assert (low.query, low.present, high.query, high.present) == ("low", True, "high", False)
    assert (segment.onset_s, segment.offset_s) == pytest.approx((0.4, 0.8))
    assert segment.score == low.clip_score == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(low.similarity, [0] * 10 + [1] * 10 + [0] * 5)
    assert high.clip_score == pytest.approx(0, abs=1e-3)


def test_a_long_clip_is_judged_by_the_rule_of_the_model(manifest: Manifest) -> None:
    near = np.float32(0.55) * _axis(0) + np.float32(np.sqrt(1 - 0.55**2)) * _axis(7)  # the score of this frame is 0.73
    frames = np.stack([_axis(7)] * 500 + [near] * 10 + [_axis(7)] * 490)
    with_rule = dataclasses.replace(manifest, presence=PresenceRule(10.0, 1.0))
    for judged, present in ((manifest, True), (with_rule, False)):  # 0.88 is needed in a clip of 40 s
        (result,) = localize(frames, ["low"], _encoded(0), judged, manifest.postprocessing, duration_s=40.0)
        assert (result.present, len(result.segments)) == (present, 1)
    (short,) = localize(frames[400:650], ["low"], _encoded(0), with_rule, manifest.postprocessing, duration_s=10.0)
    assert short.present


def test_an_extended_segment_has_the_peak_and_the_whole_extent(manifest: Manifest) -> None:
    near = np.float32(0.6) * _axis(0) + np.float32(0.8) * _axis(7)  # the score of this frame is 0.88
    frames = np.stack([_axis(7)] * 4 + [near] * 4 + [_axis(0)] * 3 + [near] * 4 + [_axis(7)] * 5)
    settings = dataclasses.replace(manifest.postprocessing, threshold=0.95, threshold_off=0.95, median_filter_s=0)
    narrow = localize(frames, ["low"], _encoded(0), manifest, settings, 0.8)[0].segments[0]
    settings = dataclasses.replace(settings, extent_ratio=0.9)
    wide = localize(frames, ["low"], _encoded(0), manifest, settings, 0.8)[0].segments[0]
    assert (narrow.onset_s, narrow.offset_s) == pytest.approx((0.32, 0.44))
    assert (wide.onset_s, wide.offset_s) == pytest.approx((0.16, 0.6))
    assert (wide.peak_s, wide.score) == pytest.approx((0.34, narrow.score)) == (narrow.peak_s, narrow.score)


def test_segments_are_cut_from_the_smoothed_curve_that_is_returned(manifest: Manifest) -> None:
    frames = np.stack([_axis(7)] * 10 + [_axis(0)] + [_axis(7)] * 14)
    smooth = localize(frames, ["low"], _encoded(0), manifest, manifest.postprocessing, 1.0)[0]
    raw_only = dataclasses.replace(manifest.postprocessing, median_filter_s=0, min_duration_s=0)
    raw = localize(frames, ["low"], _encoded(0), manifest, raw_only, 1.0)[0]
    assert (smooth.present, raw.present) == (False, True)
    assert smooth.score.max() < 0.1 < raw.score.max()
    np.testing.assert_array_equal(smooth.similarity, raw.similarity)


@pytest.mark.parametrize("with_sigmoids", [False, True])
def test_results_that_are_computed_in_groups_are_equal_to_the_last_bit(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch, with_sigmoids: bool
) -> None:
    random = np.random.default_rng(0)
    frames = random.normal(size=(9_001, 8)).astype(np.float16)  # more than one chunk of frames
    vectors = random.normal(size=(13, 8)).astype(np.float32)
    sigmoids = random.normal(size=(13, 2)).astype(np.float32) if with_sigmoids else None
    arguments = (frames, [f"q{i}" for i in range(13)], EncodedQueries(vectors, sigmoids), manifest)
    together = localize(*arguments, manifest.postprocessing, 360.02)
    monkeypatch.setattr(localization, "GROUP_VALUES", 3 * 9_001)
    grouped = localize(*arguments, manifest.postprocessing, 360.02)
    assert isinstance(together, list)
    assert not isinstance(grouped, list)
    for _ in range(2):  # each iteration computes the results anew
        for expected, result in zip(together, grouped, strict=True):
            assert (result.query, result.segments) == (expected.query, expected.segments)
            assert (result.present, result.clip_score) == (expected.present, expected.clip_score)
            np.testing.assert_array_equal(result.score, expected.score)
            np.testing.assert_array_equal(result.similarity, expected.similarity)
    assert (len(grouped), grouped[-1].query, [result.query for result in grouped[4:6]]) == (13, "q12", ["q4", "q5"])
    with pytest.raises(IndexError):
        grouped[13]


def test_results_carry_the_warnings_of_their_query_also_in_groups(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings = [(), (AnswerWarning("query-cut", "cut"),), ()]
    frames, names = np.stack([_axis(7)] * 25), ["low", "middle", "high"]
    for group_values in (localization.GROUP_VALUES, 1):
        monkeypatch.setattr(localization, "GROUP_VALUES", group_values)
        plain = localize(frames, names, _encoded(0, 1, 2), manifest, manifest.postprocessing, 1.0)
        assert list(query_warnings(plain)) == [(), (), ()]
        results = with_warnings(plain, warnings)
        assert [result.warnings for result in results] == warnings
        assert results[1].warnings == warnings[1]
        assert list(query_warnings(results)) == warnings
