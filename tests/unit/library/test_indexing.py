import os
import threading
from pathlib import Path

import pytest

from service.core.errors import EngineStopped
from service.library import indexing
from service.library.contents import check_frames
from service.library.indexing import index_files
from service.library.recording import Recording
from tests.library_parts import BROKEN, SilentProgress, contents, embed, make_library, write_recordings


def test_only_what_is_new_or_changed_is_embedded(tmp_path: Path) -> None:
    library, paths = make_library(tmp_path / "lib"), write_recordings(tmp_path / "r", ["a.wav", "b.wav"])
    first = index_files(library, paths, embed, {}, SilentProgress())
    assert (first.n_written, first.n_unchanged) == (2, 0)
    seen: list[str] = []

    def watched(file):
        seen.append(file.name)
        return embed(file)

    assert index_files(library, paths, watched, {}, SilentProgress()).n_unchanged == 2
    assert seen == []
    write_recordings(tmp_path / "r", ["b.wav"], salt="new")
    assert index_files(library, paths, watched, {}, SilentProgress()).n_written == 1
    assert seen == [paths[1]]
    whole = make_library(tmp_path / "whole")
    index_files(whole, paths, embed, {}, SilentProgress())
    assert contents(library) == contents(whole)


def test_files_that_cannot_be_indexed_are_reported_and_the_others_are_indexed(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    (good,) = write_recordings(folder, ["a.wav"])
    (folder / "bad.wav").write_bytes(BROKEN)
    os.mkfifo(folder / "pipe.wav")
    (folder / "dead.wav").symlink_to("nowhere")
    odd = os.fsdecode(os.fsencode(folder) + b"/\xff.wav")
    Path(odd).write_bytes(b"x")
    progress, library = SilentProgress(), make_library(tmp_path / "lib")
    paths = [good, *(str(folder / name) for name in ("bad.wav", "pipe.wav", "dead.wav")), odd]
    report = index_files(library, paths, embed, {}, progress)
    reasons = {Path(path).name: reason for path, reason in report.refused.items()}
    assert reasons == {
        "bad.wav": "clip looks like WAV but cannot be decoded: it is broken",
        "pipe.wav": "not a regular file",
        "dead.wav": "No such file or directory",
        "?.wav": "its name is not UTF-8",
    }
    assert len(progress.refused) == 4
    assert progress.n_files == 5
    assert check_frames(library) == len(Path(good).read_bytes())


def test_files_that_are_no_recordings_are_skipped_unless_their_names_say_that_they_are(tmp_path: Path) -> None:
    from service.core.errors import UnsupportedAudio

    def refuse(_file):
        raise UnsupportedAudio("text", "WAV")

    write_recordings(tmp_path / "r", ["a.wav", "b.txt"])
    paths = [str(tmp_path / "r" / name) for name in ("a.wav", "b.txt")]
    report = index_files(make_library(tmp_path / "lib"), paths, refuse, {}, SilentProgress())
    assert (report.n_skipped, list(report.refused)) == (1, paths[:1])


def test_metadata_changes_without_embedding_and_stays_without_a_table(tmp_path: Path) -> None:
    library, paths = make_library(tmp_path / "lib"), write_recordings(tmp_path / "r", ["a.wav"])
    library.add_metadata_columns({"site": str, "gain": float}, "t.csv")
    index_files(library, paths, embed, {paths[0]: {"site": "north"}}, SilentProgress())

    def fail(_file):
        raise AssertionError

    assert index_files(library, paths, fail, {paths[0]: {"gain": 2.0}}, SilentProgress()).n_unchanged == 1
    write_recordings(tmp_path / "r", ["a.wav"], salt="x")
    index_files(library, paths, embed, {}, SilentProgress())
    (row,) = map(Recording.of_row, library.recordings().to_pylist())
    assert row.metadata == {"site": "north", "gain": 2.0}


def test_a_failure_of_the_model_ends_the_indexing_and_keeps_what_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "BATCH_RECORDINGS", 2)
    library = make_library(tmp_path / "lib")
    paths = write_recordings(tmp_path / "r", [f"{number}.wav" for number in range(30)])
    n_calls, lock = 0, threading.Lock()

    def failing(file):
        nonlocal n_calls
        with lock:
            n_calls += 1
            if n_calls > 10:
                raise EngineStopped
        return embed(file)

    with pytest.raises(EngineStopped):
        index_files(library, paths, failing, {}, SilentProgress())
    assert n_calls < 30
    check_frames(library)
    report = index_files(library, paths, embed, {}, SilentProgress())
    assert report.n_written + report.n_unchanged == 30
