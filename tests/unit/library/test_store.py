import contextlib
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.core.start_errors import LibraryMissing, LibraryModelDiffers, MetadataInvalid
from service.library.contents import check_frames
from service.library.store import Library, check_model, open_library, open_or_create_library
from service.library.tables import open_tables
from tests.library_parts import MODEL, contents, left_overs, make_library, new_recording


class Killed(BaseException):
    """Stands for the end of the process."""


def test_what_was_added_is_there_for_every_reader_and_replaced_whole(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    reader = open_library(str(tmp_path), MODEL)
    assert library.add([new_recording("/a", b"one", 600), new_recording("/b", b"two", 10)]) == 2
    assert check_frames(reader) == 610
    assert library.add([new_recording("/a", b"three", 20)]) == 1
    assert check_frames(reader) == 30
    assert left_overs(library) == set()
    assert sorted(reader.recordings(["path"])["path"].to_pylist()) == ["/a", "/b"]


def test_a_recording_that_another_process_has_just_added_is_not_written_again(tmp_path: Path) -> None:
    library, other = make_library(tmp_path), open_library(str(tmp_path))
    library.add([new_recording("/a", b"one", 60)])
    before = library.recordings().to_pylist()
    assert other.add([new_recording("/a", b"one", 60)]) == 0
    assert library.recordings().to_pylist() == before


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(step=st.integers(0, 9), replaced=st.booleans())
def test_an_end_before_any_write_loses_at_most_the_batch(
    step: int, replaced: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    left = step

    def end(_name: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    folder = tmp_path_factory.mktemp("library")
    first = make_library(folder)
    first.add([new_recording("/old", b"old", 30)])
    before = contents(first)
    batch = [new_recording("/old" if replaced else "/new", b"new", 300), new_recording("/more", b"more", 10)]
    with contextlib.suppress(Killed):
        Library(open_tables(str(folder)), end).add(batch)
    reader = open_library(str(folder))
    check_frames(reader)
    whole = make_library(folder / "whole")
    whole.add([new_recording("/old", b"old", 30)])
    whole.add(batch)
    assert contents(reader) in (before, contents(whole))
    reader.add(batch)
    reader.remove([])
    assert contents(reader) == contents(whole)
    assert left_overs(reader) == set()


def test_writers_at_the_same_time_lose_and_double_nothing(tmp_path: Path) -> None:
    make_library(tmp_path)

    def write(number: int) -> None:
        library = open_library(str(tmp_path))
        for part in range(3):
            names = [f"/{part}", f"/{number}-{part}"]
            library.add([new_recording(name, name.encode(), 40) for name in names])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    library = open_library(str(tmp_path))
    paths = sorted(library.recordings(["path"])["path"].to_pylist())
    assert paths == sorted([f"/{part}" for part in range(3)] + [f"/{n}-{part}" for n in range(3) for part in range(3)])
    assert check_frames(library) == 40 * len(paths)
    assert left_overs(library) == set()


def test_removed_recordings_are_gone_and_compacting_keeps_the_rest(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording(f"/{number}", bytes([number]), 50) for number in range(5)])
    ids = library.recordings(["id"])["id"].to_pylist()
    assert library.remove([*ids[:2], "nothere", "' OR true --"]) == 2
    before = contents(library)
    library.compact()
    assert contents(library) == before
    assert left_overs(library) == set()
    assert check_frames(open_library(str(tmp_path))) == 150
    assert library.recording(ids[0]) is None
    assert library.recording("' OR true --") is None
    assert library.recording(ids[4]) is not None


def test_rows_change_without_their_frames(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 30)])
    library.add_metadata_columns({"site": str, "gain": float}, "t.csv")
    (row,) = library.recordings().to_pylist()
    recording = library.recording(row["id"])
    assert recording is not None
    assert recording.metadata == {"site": None, "gain": None}
    gone = replace(recording, id="gone")
    library.update([replace(recording, metadata={"site": "north", "gain": 1.5}), gone])
    changed = library.recording(recording.id)
    assert changed is not None
    assert changed.metadata == {"site": "north", "gain": 1.5}
    assert changed.generation == recording.generation
    assert len(library.recordings()) == 1
    assert library.recordings(["path"], "site = 'north' AND gain > 1")["path"].to_pylist() == ["/a"]


def test_columns_keep_their_type(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add_metadata_columns({"gain": float, "site": str}, "t.csv")
    library.add_metadata_columns({"gain": float, "site": float}, "t.csv")  # a number can be kept as text
    with pytest.raises(MetadataInvalid, match="column gain has texts, but numbers"):
        library.add_metadata_columns({"gain": str}, "t.csv")
    assert library.metadata_columns() == {"gain": float, "site": str}


def test_a_library_is_made_once_and_refuses_another_model(tmp_path: Path) -> None:
    folder = str(tmp_path / "new/library")
    with pytest.raises(LibraryMissing):
        open_library(folder)
    library = open_or_create_library(folder, MODEL)
    library.add([new_recording("/a", b"a", 30)])
    assert len(open_or_create_library(folder, MODEL).recordings()) == 1
    other = replace(MODEL, name="big", version="4", model_id="1" * 64, dimension=100)
    for attempt in (lambda: open_library(folder, other), lambda: open_or_create_library(folder, other)):
        with pytest.raises(LibraryModelDiffers, match=r"the model is big 4 \(.*was indexed with fake 1"):
            attempt()
    check_model(library, replace(MODEL, name="other name"))  # the embeddings decide


def test_a_folder_that_was_left_half_made_becomes_a_library(tmp_path: Path) -> None:
    open_or_create_library(str(tmp_path), replace(MODEL, dimension=40))
    shutil.rmtree(tmp_path / "recordings.lance")
    library = open_or_create_library(str(tmp_path), MODEL)
    library.add([new_recording("/a", b"a", 30)])
    assert check_frames(library) == 30
    assert np.asarray(library.tables.moments.to_arrow()["vector"].to_pylist()).shape[1] == 16
