from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.core.errors import DeadlineExceeded
from service.core.library_errors import FilterInvalid, LibraryDamaged
from service.core.localization import localize
from service.core.scoring import EncodedQueries
from service.core.start_errors import LibraryModelDiffers
from service.library import candidates, exact_stage, indexes, searching
from service.library.recording import LibraryModel
from service.library.searching import Searcher, SearchOptions, SearchQuery, SearchResult
from service.library.store import Library
from tests.library_parts import embedding_of, make_library, new_recording
from tests.manifests import make_manifest

MANIFEST = replace(make_manifest(dimension=9), scale=12.0, bias=-6.0)
LENGTHS = {f"/{number}": 40 + 97 * number % 700 for number in range(40)} | {"/long": 9_000}


def _queries(n_queries: int, seed: int = 5) -> list[SearchQuery]:
    vectors = np.random.default_rng(seed).normal(size=(n_queries, 9)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [SearchQuery(f"q{i}", EncodedQueries(vector[None])) for i, vector in enumerate(vectors)]


def _options(top: int, condition: str = "", exact: bool = False) -> SearchOptions:
    return SearchOptions(top, condition, exact, MANIFEST.postprocessing)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = make_library(tmp_path_factory.mktemp("library"), model=LibraryModel.of(MANIFEST))
    library.add_metadata_columns({"half": float}, "t.csv")
    library.add(
        [
            new_recording(path, path.encode(), length, half=float(i % 2))
            for i, (path, length) in enumerate(LENGTHS.items())
        ]
    )
    return library


def _truth(query: SearchQuery, paths: list[str]) -> dict[tuple[str, float, float], float]:
    """Segments of a query in recordings, each localized by itself as a whole."""
    found: dict[tuple[str, float, float], float] = {}
    for path in paths:
        embedding = embedding_of(path.encode(), LENGTHS[path])
        (result,) = localize(
            embedding.stored, ["x"], query.encoded, MANIFEST, MANIFEST.postprocessing, embedding.duration_s
        )
        found |= {(path, each.onset_s, each.offset_s): each.score for each in result.segments}
    return found


def _moments(result: SearchResult) -> dict[tuple[str, float, float], float]:
    return {(m.recording.path, m.segment.onset_s, m.segment.offset_s): m.segment.score for m in result.moments}


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("query", _queries(6), ids=lambda query: query.text)
def test_moments_are_the_segments_that_localizing_each_recording_gives(
    query: SearchQuery, exact: bool, library: Library
) -> None:
    result = Searcher(library, MANIFEST).search([query], _options(15, exact=exact))
    truth, moments = _truth(query, list(LENGTHS)), _moments(result)
    assert set(moments) <= set(truth)
    for key, score in moments.items():
        assert score == pytest.approx(truth[key], abs=1e-6)
    best = sorted(truth.values(), reverse=True)[:15]
    assert len(best) == 15
    np.testing.assert_allclose([moment.segment.score for moment in result.moments], best, atol=1e-6)
    assert result.exact is exact
    assert (result.n_recordings, result.searched_s) == (41, pytest.approx(sum(LENGTHS.values()) * 0.04))


def test_several_queries_are_ranked_together(library: Library) -> None:
    first, second = _queries(2)
    result = Searcher(library, MANIFEST).search([first, second], _options(12))
    scores = sorted([*_truth(first, list(LENGTHS)).values(), *_truth(second, list(LENGTHS)).values()], reverse=True)
    np.testing.assert_allclose([moment.segment.score for moment in result.moments], scores[:12], atol=1e-6)
    assert {moment.query for moment in result.moments} == {0, 1}


@pytest.mark.parametrize("listed", [True, False])
def test_a_condition_limits_the_search_and_its_hours(
    listed: bool, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not listed:
        monkeypatch.setattr(candidates, "MAX_LISTED", 3)
    (query,) = _queries(1)
    paths = [path for i, path in enumerate(LENGTHS) if i % 2]
    result = Searcher(library, MANIFEST).search([query], _options(10, "half = 1"))
    best = sorted(_truth(query, paths).values(), reverse=True)[:10]
    np.testing.assert_allclose([moment.segment.score for moment in result.moments], best, atol=1e-6)
    assert all(moment.recording.metadata == {"half": 1.0} for moment in result.moments)
    assert result.searched_s == pytest.approx(sum(LENGTHS[path] for path in paths) * 0.04)
    nothing = Searcher(library, MANIFEST).search([query], _options(10, "half = 7"))
    assert (nothing.moments, nothing.n_recordings, nothing.searched_s) == ([], 0, 0.0)
    with pytest.raises(FilterInvalid):
        Searcher(library, MANIFEST).search([query], _options(10, "half ="))


@pytest.mark.parametrize("first_cells", [searching.FIRST_CELLS, 60])
def test_the_index_finds_nearly_all_of_the_best(
    first_cells: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "FIRST_CELLS", first_cells)
    monkeypatch.setattr(indexes, "MIN_MOMENTS", 300)
    monkeypatch.setattr(indexes, "MIN_BLOCKS", 10)
    library = make_library(tmp_path, model=LibraryModel.of(MANIFEST))
    library.add([new_recording(path, path.encode(), length) for path, length in LENGTHS.items()])
    library.update_indexes()
    assert indexes.has_moment_index(library.tables)
    library.add([new_recording("/later", b"later", 500)])  # not indexed yet
    searcher, n_found = Searcher(library, MANIFEST), 0
    for query in _queries(10):
        result, exact = (searcher.search([query], _options(10, exact=exact)) for exact in (False, True))
        n_found += len(set(_moments(result)) & set(_moments(exact)))
    assert n_found >= 90


def test_cells_of_candidates_that_cannot_matter_are_not_read(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "FIRST_CELLS", 50)
    monkeypatch.setattr(searching, "LOOKED_AT_A_TIME", 20)
    n_read = 0
    best_cells = candidates.Candidates.best_cells

    def counting(self: candidates.Candidates, numbers: np.ndarray, query: np.ndarray) -> np.ndarray:
        nonlocal n_read
        n_read += len(numbers)
        return best_cells(self, numbers, query)

    monkeypatch.setattr(candidates.Candidates, "best_cells", counting)
    sound = embedding_of(b"/long", LENGTHS["/long"]).stored[1_000:1_001].astype(np.float32)
    query = SearchQuery("a sound of the library", EncodedQueries(sound))
    result = Searcher(library, MANIFEST).search([query], _options(1))
    assert (
        _moments(result).keys() == _moments(Searcher(library, MANIFEST).search([query], _options(1, exact=True))).keys()
    )
    assert 50 <= n_read < 0.5 * library.tables.moments.count_rows()


def test_parts_of_long_recordings_are_read_one_after_another(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    (query,) = _queries(1)
    whole = Searcher(library, MANIFEST).search([query], _options(15, exact=True))
    monkeypatch.setattr(searching, "MAX_PART_BLOCKS", 2)
    monkeypatch.setattr(searching, "_EXACT_FRAMES", 600)
    monkeypatch.setattr(exact_stage, "WHOLE_BLOCKS", 1)
    parts = Searcher(library, MANIFEST).search([query], _options(15, exact=True))
    assert set(_moments(parts)) == set(_moments(whole))


def test_changes_of_the_library_are_seen_at_once(tmp_path: Path) -> None:
    library = make_library(tmp_path, model=LibraryModel.of(MANIFEST))
    searcher, (query,) = Searcher(library, MANIFEST), _queries(1)
    assert searcher.search([query], _options(5)).moments == []
    library.add([new_recording("/long", b"/long", LENGTHS["/long"])])
    assert len(searcher.search([query], _options(5)).moments) == 5
    library.remove(library.recordings(["id"])["id"].to_pylist())
    assert searcher.search([query], _options(5)).n_recordings == 0


def test_a_recording_that_is_removed_during_the_search_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make_library(tmp_path, model=LibraryModel.of(MANIFEST))
    library.add([new_recording("/long", b"/long", LENGTHS["/long"])])
    find = searching.find_candidates

    def find_and_remove(*arguments):
        found = find(*arguments)
        library.remove(library.recordings(["id"])["id"].to_pylist())
        return found

    monkeypatch.setattr(searching, "find_candidates", find_and_remove)
    assert Searcher(library, MANIFEST).search(_queries(1), _options(5)).moments == []


def test_damaged_and_missing_frames_are_reported(tmp_path: Path) -> None:
    library = make_library(tmp_path, model=LibraryModel.of(MANIFEST))
    library.add([new_recording("/a", b"/long", 2_000)])
    searcher, (query,) = Searcher(library, MANIFEST), _queries(1)
    library.tables.frames.update(where="crc32 >= 0", values={"crc32": 1})
    with pytest.raises(LibraryDamaged, match="of /a"):
        searcher.search([query], _options(5))
    library.tables.frames.delete("crc32 >= 0")
    for exact in (False, True):
        with pytest.raises(LibraryDamaged, match="of /a is missing"):
            searcher.search([query], _options(5, exact=exact))


def test_another_model_is_refused_and_a_search_can_be_ended(library: Library) -> None:
    with pytest.raises(LibraryModelDiffers):
        Searcher(library, make_manifest(dimension=9, hop_samples=320))

    def end() -> None:
        raise DeadlineExceeded(1)

    with pytest.raises(DeadlineExceeded):
        Searcher(library, MANIFEST).search(_queries(1), _options(1000), end)
