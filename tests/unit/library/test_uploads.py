import io
import os
from dataclasses import replace
from pathlib import Path

import pytest

from service.core.errors import ParameterInvalid
from service.core.library_errors import RecordingAudioMissing
from service.library.recording import Recording
from service.library.uploads import AudioFiles, check_metadata, id_of_upload

ROW = Recording("a1", "", "c" * 64, 5, 0, 2.5, 63, 7)


def test_the_same_bytes_have_the_same_id() -> None:
    assert id_of_upload("0123456789abcdef" * 4) == "0123456789abcdef" * 2


def test_values_become_those_of_their_columns() -> None:
    known = {"site": str, "gain": float}
    assert check_metadata({"Site": 5, "gain": 2, "new": "x", "none": None}, known) == {
        "site": "5",
        "gain": 2.0,
        "new": "x",
        "none": None,
    }
    for value in ("x", True, [1], {}, 10**400, float("nan")):
        with pytest.raises(ParameterInvalid, match=r"metadata\.gain"):
            check_metadata({"gain": value}, known)


def test_kept_audio_is_found_until_it_changes_or_is_forgotten(tmp_path: Path) -> None:
    audio = AudioFiles(str(tmp_path), is_allowed=True)
    with pytest.raises(RecordingAudioMissing, match="its file is missing"):
        audio.path_of(ROW)
    audio.keep("a1", io.BytesIO(b"hello"))
    assert audio.path_of(ROW).read_bytes() == b"hello"
    with pytest.raises(RecordingAudioMissing, match="has changed"):
        audio.path_of(replace(ROW, n_bytes=4))
    audio.forget("a1")
    audio.forget("a1")
    assert list((tmp_path / "audio").iterdir()) == []


def test_the_file_of_an_indexed_recording_is_sent_while_it_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "x.wav"
    file.write_bytes(b"hello")
    row = replace(ROW, path=str(file), modified_ns=file.stat().st_mtime_ns)
    audio = AudioFiles(str(tmp_path), is_allowed=True)
    assert audio.path_of(row) == file
    os.utime(file, ns=(1, 1))
    with pytest.raises(RecordingAudioMissing, match="has changed"):
        audio.path_of(row)
    with pytest.raises(RecordingAudioMissing, match="not allow"):
        AudioFiles(str(tmp_path), is_allowed=False).path_of(row)
    with pytest.raises(RecordingAudioMissing, match="object store"):
        AudioFiles("s3://bucket/x", is_allowed=True).path_of(ROW)


def test_nothing_is_kept_where_audio_may_not_be_fetched(tmp_path: Path) -> None:
    AudioFiles(str(tmp_path), is_allowed=False).keep("a1", io.BytesIO(b"hello"))
    assert list(tmp_path.iterdir()) == []
