from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.core.errors import ParameterInvalid
from service.core.library_errors import RecordingNotFound
from service.library.example_frames import Background, query_by_example, stretch_frames
from service.library.recording import LibraryModel, Recording
from service.library.searching import Searcher, SearchOptions, SearchQuery
from service.library.snapshot import Snapshots
from service.library.store import Library
from tests.library_parts import embedding_of, frames_of, make_library, new_recording
from tests.manifests import make_manifest

MANIFEST = replace(make_manifest(dimension=9), scale=12.0, bias=-6.0)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = make_library(tmp_path_factory.mktemp("library"), model=LibraryModel.of(MANIFEST))
    library.add([new_recording(f"/{number}", bytes([number]), 1_000) for number in range(30)])
    return library


def _first(library: Library) -> Recording:
    return next(r for r in map(Recording.of_row, library.recordings().to_pylist()) if r.path == "/0")


def test_a_stretch_of_a_stored_recording_has_its_frames(library: Library) -> None:
    frames = stretch_frames("like", "x@10-11.2", lambda _: _first(library), MANIFEST, library)
    np.testing.assert_array_equal(frames, frames_of(bytes([0]), 1_000)[250:280].astype(np.float32))
    across = stretch_frames("like", "x@10.2-11.2", lambda _: _first(library), MANIFEST, library)
    np.testing.assert_array_equal(across, frames_of(bytes([0]), 1_000)[255:280].astype(np.float32))


def test_a_stretch_of_an_embedded_clip_has_its_frames_and_errors_pass(library: Library) -> None:
    embedding = embedding_of(b"y", 50)
    frames = stretch_frames("like", "x@0-0.1", lambda _: embedding, MANIFEST, None)
    np.testing.assert_array_equal(frames, embedding.stored[:3].astype(np.float32))
    with pytest.raises(ParameterInvalid, match="like is x@1-9"):
        stretch_frames("like", "x@1-9", lambda _: embedding, MANIFEST, None)

    def fail(name: str) -> Recording:
        raise RecordingNotFound(name)

    with pytest.raises(RecordingNotFound):
        stretch_frames("like", "x@1-9", fail, MANIFEST, library)
    gone = replace(_first(library), generation=5)
    with pytest.raises(ParameterInvalid, match="just removed"):
        stretch_frames("like", "x@1-9", lambda _: gone, MANIFEST, library)


def test_background_frames_come_from_the_whole_library_and_are_kept_until_it_changes(tmp_path: Path) -> None:
    library = make_library(tmp_path, model=LibraryModel.of(MANIFEST))
    background, snapshots = Background(library), Snapshots(library)
    assert background.frames(snapshots.read()).shape == (0, 9)
    library.add([new_recording(f"/{number}", bytes([number]), 600) for number in range(30)])
    frames = background.frames(snapshots.read())
    assert background.frames(snapshots.read()) is frames
    assert 48 * 11 <= len(frames) <= 48 * 32
    stored = np.concatenate([frames_of(bytes([number]), 600) for number in range(30)]).astype(np.float32)
    assert {row.tobytes() for row in frames} <= {row.tobytes() for row in stored}
    library.add([new_recording("/more", b"more", 600)])
    assert background.frames(snapshots.read()) is not frames


def test_a_search_by_example_finds_the_example_first(library: Library) -> None:
    searcher = Searcher(library, MANIFEST)
    frames = frames_of(bytes([7]), 1_000)[275:300].astype(np.float32)
    query = query_by_example([frames], [], searcher.background(), MANIFEST, None)
    result = searcher.search([SearchQuery("x", query)], SearchOptions(5, "", False, MANIFEST.postprocessing))
    segment = result.moments[0].segment
    assert result.moments[0].recording.path == "/7"
    assert segment.onset_s <= 11.1 < 11.9 <= segment.offset_s
    exact = searcher.search([SearchQuery("x", query)], SearchOptions(5, "", True, MANIFEST.postprocessing))
    assert [m.segment.onset_s for m in exact.moments] == [m.segment.onset_s for m in result.moments]


def test_too_many_examples_or_only_negative_ones_are_refused() -> None:
    frame = np.ones((1, 9), np.float32)
    with pytest.raises(ParameterInvalid, match="101 examples; accepted: at most 100"):
        query_by_example([frame] * 101, [], frame, MANIFEST, None)
    with pytest.raises(ParameterInvalid, match="like is missing"):
        query_by_example([], [frame], frame, MANIFEST, None)
