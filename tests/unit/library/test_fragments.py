from dataclasses import replace
from pathlib import Path

import pytest

from service.core.start_errors import RayUnavailable
from service.library.contents import check_frames
from service.library.fragments import FragmentWriter, StagedRecording, new_generation
from service.library.store import Library
from tests.library_parts import MODEL, contents, left_overs, make_library, new_recording


def staged(library: Library, *items) -> list[StagedRecording]:
    """Recordings in one fragment, as a worker writes them."""
    numbered = [item.with_row(replace(item.row, generation=new_generation())) for item in items]
    writer = FragmentWriter(library.location, MODEL)
    fragments = writer.write({item.row.generation: item.embedding for item in numbered})
    return [StagedRecording(item.row, fragments) for item in numbered]


def test_staged_recordings_equal_recordings_that_were_added(tmp_path: Path) -> None:
    items = [new_recording(f"/{name}.wav", name.encode() * 40, 700) for name in "abc"]
    library, whole = make_library(tmp_path / "lib"), make_library(tmp_path / "whole")
    waiting = [staged(library, *items[:2]), staged(library, items[2])]
    assert len(library.recordings()) == check_frames(library) == 0  # nobody sees what is not committed
    assert library.add_staged([*waiting[0], *waiting[1]]) == whole.add(items) == 3
    assert contents(library) == contents(whole)
    library.compact()
    whole.compact()
    assert contents(library) == contents(whole)


def test_a_changed_recording_is_replaced_and_one_that_is_there_leaves_nothing_behind(tmp_path: Path) -> None:
    library, whole = make_library(tmp_path / "lib"), make_library(tmp_path / "whole")
    first, second = new_recording("/a.wav", b"a" * 50), new_recording("/b.wav", b"b" * 60)
    changed = new_recording("/a.wav", b"c" * 70)
    for batch in ([first, second], [changed, second]):
        library.add_staged(staged(library, *batch))
        whole.add(batch)
    assert contents(library) == contents(whole)
    assert left_overs(library) == set()
    assert library.add_staged(staged(library, second)) == 0
    assert contents(library) == contents(whole)


def test_of_two_versions_of_a_recording_the_last_counts(tmp_path: Path) -> None:
    library = make_library(tmp_path / "lib")
    items = staged(library, new_recording("/a.wav", b"a" * 50), new_recording("/a.wav", b"b" * 60))
    assert library.add_staged(items) == 1
    assert library.recordings(["n_frames"])["n_frames"].to_pylist() == [60]
    assert left_overs(library) == set()


def test_without_lance_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = make_library(tmp_path / "lib")
    monkeypatch.setitem(__import__("sys").modules, "lance", None)
    with pytest.raises(RayUnavailable, match=r"earmark\[cpu,ray\]"):
        FragmentWriter(library.location, MODEL)
