import numpy as np
import pytest

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
    assert found.similarities[0] == pytest.approx(float((cells @ query).max()), abs=0.01)


@pytest.mark.parametrize("max_listed", [5000, 1])
def test_a_filter_leaves_candidates_of_its_recordings(
    max_listed: int, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MAX_LISTED", max_listed)
    snapshot = Snapshots(library).read("(`path` IN ('/3', '/4'))")
    found = find_candidates(library, snapshot, np.eye(9, dtype=np.float32)[0], 1_000)
    assert set(found.rows.tolist()) == {0, 1}
    assert found.is_complete
