from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.core import scoring
from service.core.localization import localize
from service.core.part_localization import RecordingPart, localize_part
from service.core.postprocessing import Postprocessing
from service.core.scoring import EncodedQueries
from tests.manifests import make_manifest

MANIFEST = replace(make_manifest(dimension=2), scale=8.0, bias=-4.0)
QUERY = EncodedQueries(np.array([[1, 0]], np.float32))


def _frames(seed: int, n_frames: int, smoothness: int) -> np.ndarray:
    walk = np.random.default_rng(seed).normal(0.3, 1.2, n_frames + smoothness)
    angle = np.pi / 2 - np.convolve(walk, np.ones(smoothness) / np.sqrt(smoothness), "valid")[:n_frames]
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float16)


def _similarity(frames: np.ndarray) -> np.ndarray:
    return scoring.similarity(frames, QUERY.embeddings)[0]


settings_of_cuts = st.builds(
    Postprocessing,
    threshold=st.floats(0.3, 0.8),
    threshold_off=st.floats(0.05, 0.3),
    median_filter_s=st.sampled_from([0, 0.12, 0.36]),
    extent_ratio=st.sampled_from([1.0, 0.7, 0.4]),
    min_duration_s=st.sampled_from([0, 0.2, 2.0]),
    merge_gap_s=st.sampled_from([0, 0.1, 0.4]),
    extent_scale=st.sampled_from(["score", "odds"]),
    core_s=st.sampled_from([0, 0.2]),
    short_extent_ratio=st.sampled_from([0.5, 1.0]),
)


@settings(max_examples=300)
@given(st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 12), st.data(), settings_of_cuts)
@example(1, 1, 1, None, MANIFEST.postprocessing)
def test_segments_of_a_part_are_those_of_the_whole_unless_they_are_open(
    seed: int, n_frames: int, smoothness: int, data: st.DataObject | None, postprocessing: Postprocessing
) -> None:
    frames, duration_s = _frames(seed, n_frames, smoothness), n_frames * MANIFEST.grid.hop_s
    (whole,) = localize(frames, ["x"], QUERY, MANIFEST, postprocessing, duration_s)
    first = data.draw(st.integers(0, n_frames - 1)) if data else 0
    end = data.draw(st.integers(first + 1, n_frames)) if data else n_frames
    part = RecordingPart(_similarity(frames[first:end]), first, n_frames, duration_s)
    result = localize_part(part, QUERY, MANIFEST, postprocessing)
    expected = {(each.onset_s, each.offset_s): each.score for each in whole.segments}
    for segment in result.segments:
        np.testing.assert_allclose(segment.score, expected[segment.onset_s, segment.offset_s], atol=1e-6)
    half_s = 4 * MANIFEST.grid.hop_s  # half of the widest filter
    for segment in whole.segments:  # a segment whose peak is in the part is found, or it is open
        if part.first_frame and segment.peak_s < first * MANIFEST.grid.hop_s + half_s:
            continue
        if end < n_frames and segment.peak_s > end * MANIFEST.grid.hop_s - half_s:
            continue
        around = (*result.segments, *result.open_before, *result.open_after)
        assert any(each.onset_s <= segment.peak_s < each.offset_s for each in around)
    if not result.open_before and not result.open_after:
        margin_s = (9 + 12) * MANIFEST.grid.hop_s  # half of the widest filter and the longest gap
        inner = (
            first * MANIFEST.grid.hop_s + margin_s * (first > 0),
            end * MANIFEST.grid.hop_s - margin_s * (end < n_frames),
        )
        seen = {(each.onset_s, each.offset_s) for each in result.segments}
        assert {times for times in expected if inner[0] <= times[0] and times[1] <= inner[1]} <= seen
    if (first, end) == (0, n_frames):
        assert result.segments == whole.segments
        assert not result.open_before
        assert not result.open_after


def test_widening_an_open_part_ends_with_the_segment_of_the_whole() -> None:
    frames = np.tile(np.array([[0, 1]], np.float16), (2_000, 1))
    frames[300:900] = (1, 0)
    (whole,) = localize(frames, ["x"], QUERY, MANIFEST, MANIFEST.postprocessing, 80.0)
    begin, end, n_steps = 500, 520, 0
    while True:
        result = localize_part(
            RecordingPart(_similarity(frames[begin:end]), begin, 2_000, 80.0), QUERY, MANIFEST, MANIFEST.postprocessing
        )
        if not result.open_before and not result.open_after:
            break
        assert result.segments == ()
        size, n_steps = end - begin, n_steps + 1
        begin = max(0, begin - size) if result.open_before else begin
        end = min(2_000, end + size) if result.open_after else end
    assert result.segments == whole.segments
    assert n_steps < 7


def test_the_short_end_of_a_long_segment_is_open() -> None:
    settings_of_cut = replace(MANIFEST.postprocessing, min_duration_s=5.0)
    frames = np.tile(np.array([[0, 1]], np.float16), (1_000, 1))
    frames[400:600] = (1, 0)  # 8 s
    (whole,) = localize(frames, ["x"], QUERY, MANIFEST, settings_of_cut, 40.0)
    assert len(whole.segments) == 1
    for begin, end, sides in ((580, 800, (1, 0)), (200, 420, (0, 1)), (580, 590, (1, 1))):
        part = RecordingPart(_similarity(frames[begin:end]), begin, 1_000, 40.0)
        result = localize_part(part, QUERY, MANIFEST, settings_of_cut)
        assert (len(result.open_before), len(result.open_after)) == sides
        assert result.segments == ()
