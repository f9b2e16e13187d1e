from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.core.library_errors import LibraryDamaged
from service.core.localization import localize
from service.core.scoring import EncodedQueries
from service.library.moment_curves import MAX_CURVE_S, CurveReader
from service.library.recording import LibraryModel
from service.library.searching import Searcher, SearchOptions, SearchQuery
from service.library.store import Library
from tests.library_parts import embedding_of, make_library, new_recording
from tests.manifests import make_manifest

MANIFEST = replace(make_manifest(dimension=9), scale=12.0, bias=-6.0)
NO_EXTENT = MANIFEST.postprocessing.override(extent_ratio=1.0)
LENGTHS = {f"/{number}": 40 + 97 * number % 700 for number in range(20)} | {"/long": 9_000}
LONG = {"merge_gap_s": 5.0, "threshold": 0.01}
"""Settings under which segments last for minutes."""


def _query(seed: int) -> SearchQuery:
    vector = np.random.default_rng(seed).normal(size=(1, 9)).astype(np.float32)
    return SearchQuery(f"q{seed}", EncodedQueries(vector / np.linalg.norm(vector)))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = make_library(tmp_path, model=LibraryModel.of(MANIFEST))
    library.add([new_recording(path, path.encode(), length) for path, length in LENGTHS.items()])
    return library


@pytest.mark.parametrize("around_s", [0.0, 2.0, 10.0])
@pytest.mark.parametrize("overrides", [{}, LONG], ids=["short", "long"])
def test_curves_are_parts_of_the_curves_of_the_whole_recording(
    library: Library, around_s: float, overrides: dict[str, float]
) -> None:
    queries, settings = [_query(1), _query(2)], NO_EXTENT.override(**overrides)
    moments = Searcher(library, MANIFEST).search(queries, SearchOptions(40, "", False, settings)).moments
    encoded = [query.encoded for query in queries]
    curves = list(CurveReader(library, MANIFEST, settings, around_s).read(moments, encoded))
    assert len(curves) == len(moments) > 20
    for moment, curve in zip(moments, curves, strict=True):
        assert curve is not None
        embedding = embedding_of(moment.recording.path.encode(), LENGTHS[moment.recording.path])
        (whole,) = localize(embedding.stored, ["x"], encoded[moment.query], MANIFEST, settings, embedding.duration_s)
        part = slice(curve.first_frame, curve.first_frame + len(curve.score))
        np.testing.assert_allclose(curve.score, whole.score[part], atol=1e-6)
        np.testing.assert_allclose(curve.similarity, whole.similarity[part], atol=1e-6)
        _check_extent(curve.first_frame, len(curve.score), moment.segment, embedding.duration_s, around_s)


def _check_extent(first: int, n_frames: int, segment: object, duration_s: float, around_s: float) -> None:
    hop_s = MANIFEST.grid.hop_s
    onset_s, offset_s, peak_s = (getattr(segment, name) for name in ("onset_s", "offset_s", "peak_s"))
    begin_s, end_s = first * hop_s, (first + n_frames) * hop_s
    assert end_s - begin_s <= MAX_CURVE_S + 2 * hop_s
    expected = max(0.0, onset_s - around_s, peak_s - MAX_CURVE_S / 2)
    assert begin_s == pytest.approx(expected, abs=hop_s + 1e-6)
    assert end_s == pytest.approx(min(offset_s + around_s, peak_s + MAX_CURVE_S / 2, duration_s), abs=hop_s + 1e-6)


def test_a_recording_that_was_removed_has_no_curve_and_damage_is_reported(library: Library) -> None:
    query = _query(1)
    moments = Searcher(library, MANIFEST).search([query], SearchOptions(3, "", True, NO_EXTENT)).moments
    reader = CurveReader(library, MANIFEST, NO_EXTENT, 1.0)
    gone = moments[0].recording
    library.remove([gone.id])
    curves = list(reader.read(moments, [query.encoded]))
    assert [curve is None for curve in curves] == [moment.recording.id == gone.id for moment in moments]
    assert not all(curve is None for curve in curves)
    library.tables.frames.delete("generation > 0")
    with pytest.raises(LibraryDamaged, match="is missing"):
        list(reader.read(moments, [query.encoded]))
