import io
from pathlib import Path

import pytest

from service.core.library_errors import RecordingNotFound
from service.core.start_errors import LibraryModelDiffers
from service.engine.interface import EmbeddedClip
from service.library.serving import ServedLibrary, open_served_library
from tests.library_parts import embedding_of, new_recording
from tests.manifests import make_manifest

MANIFEST = make_manifest(dimension=9)
CLIP = EmbeddedClip("ab" * 32, embedding_of(b"x", 300))


@pytest.fixture
def served(tmp_path: Path) -> ServedLibrary:
    served = open_served_library(str(tmp_path), MANIFEST, audio=True)
    assert served is not None
    return served


def test_a_recording_is_added_once_and_its_metadata_can_change(served: ServedLibrary, tmp_path: Path) -> None:
    first = served.add(CLIP, io.BytesIO(b"hello"), 5, {"site": "north"})
    second = served.add(CLIP, io.BytesIO(b"hello"), 5, {"gain": 2})
    assert second.generation == first.generation
    assert second.metadata == {"site": "north", "gain": 2.0}
    assert (tmp_path / "audio" / first.id).read_bytes() == b"hello"
    served.remove(first.id)
    assert not (tmp_path / "audio" / first.id).exists()
    for attempt in (served.recording, served.remove):
        with pytest.raises(RecordingNotFound):
            attempt(first.id)


def test_removing_an_indexed_recording_leaves_its_file(served: ServedLibrary, tmp_path: Path) -> None:
    file = tmp_path / "x.wav"
    file.write_bytes(b"hello")
    served.searcher.library.add([new_recording(str(file), b"x")])
    (recording_id,) = served.searcher.library.recordings(["id"])["id"].to_pylist()
    served.remove(recording_id)
    assert file.exists()


def test_a_library_of_another_model_stops_the_start(served: ServedLibrary, tmp_path: Path) -> None:
    with pytest.raises(LibraryModelDiffers):
        open_served_library(str(tmp_path), make_manifest(dimension=9, hop_samples=320), audio=True)
