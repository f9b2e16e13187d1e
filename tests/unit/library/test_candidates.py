from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.core.library_errors import LibraryDamaged
from service.library import candidates
from service.library.candidates import find_candidates
from service.library.snapshot import Snapshots
from service.library.store import Library
from tests.library_parts import frames_of, make_library, new_recording


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = make_library(tmp_path_factory.mktemp("library"))
    library.add([new_recording(f"/{number}", bytes([number]), 500) for number in range(20)])
    return library


def test_the_most_similar_stretches_come_first(library: Library) -> None:
    snapshot = Snapshots(library).read()
    query = frames_of(bytes([3]), 500)[130].astype(np.float32)
    found = find_candidates(library, snapshot, query, 50)
    assert len(found.rows) == 50
    assert not found.is_complete
    assert (np.diff(found.similarities) <= 1e-6).all()
    recording = Snapshots(library).recordings([int(snapshot.generations[found.rows[0]])])
    assert next(iter(recording.values())).path == "/3"
    assert found.first_frames[0] <= 130 < found.end_frames[0]
    frames = frames_of(bytes([3]), 500)[found.first_frames[0] : found.end_frames[0]].astype(np.float32)
    cells = frames.reshape(-1, 5, 9).mean(axis=1)
    assert found.similarities[0] == pytest.approx(float(frames.mean(axis=0) @ query), abs=0.01)
    assert found.best_cells(np.array([0]), query)[0] == pytest.approx(float((cells @ query).max()), abs=0.01)


def test_cells_are_those_of_the_candidates_in_any_order(library: Library) -> None:
    query = np.eye(9, dtype=np.float32)[2]
    found = find_candidates(library, Snapshots(library).read(), query, 60)
    every = found.best_cells(np.arange(60), query)
    some = np.array([41, 3, 59, 0])
    np.testing.assert_array_equal(found.best_cells(some, query), every[some])
    assert found.best_cells(np.zeros(0, np.int64), query).tolist() == []


def test_candidates_keep_their_cells_when_the_library_changes_during_the_search(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 500), new_recording("/b", b"b", 500)])
    query = np.eye(9, dtype=np.float32)[1]
    found = find_candidates(library, Snapshots(library).read(), query, 100)
    numbers = np.arange(len(found.rows))
    before = found.best_cells(numbers, query)
    library.remove(library.recordings(["id"], "path = '/a'")["id"].to_pylist())
    library.add([new_recording("/c", b"c", 500)])
    library.compact()
    np.testing.assert_array_equal(found.best_cells(numbers, query), before)


def test_missing_moments_are_damage(library: Library) -> None:
    query = np.eye(9, dtype=np.float32)[1]
    found = find_candidates(library, Snapshots(library).read(), query, 10)
    with pytest.raises(LibraryDamaged):
        replace(found, addresses=found.addresses + 10**9).best_cells(np.arange(10), query)


@pytest.mark.parametrize("values", [{"end_frame": 501}, {"first_frame": -25}, {"first_frame": 500, "end_frame": 500}])
def test_a_candidate_outside_of_its_recording_is_damage(values: dict[str, int], tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 500)])
    library.tables.moments.update(where="first_frame = 0", values=values)
    query = np.eye(9, dtype=np.float32)[1]
    with pytest.raises(LibraryDamaged, match=r"the moment of frames -?\d+ to \d+ of /a"):
        find_candidates(library, Snapshots(library).read(), query, 100)


@pytest.mark.parametrize("max_listed", [5000, 1])
def test_a_filter_leaves_candidates_of_its_recordings(
    max_listed: int, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MAX_LISTED", max_listed)
    snapshot = Snapshots(library).read("(`path` IN ('/3', '/4'))")
    found = find_candidates(library, snapshot, np.eye(9, dtype=np.float32)[0], 1_000)
    assert set(found.rows.tolist()) == {0, 1}
    assert found.is_complete
