import os
from pathlib import Path

import pytest

from service.core.start_errors import RecordingsMissing
from service.library.files import find_files, id_of_path, is_named_like_audio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("r/a.wav", "r/sub/b.flac", "r/.hidden/c.wav", "r/lib/data.lance", "r/[odd].wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["r/**/*"], ["[odd].wav", "a.wav", "sub/b.flac"]),
        (["r"], ["[odd].wav", "a.wav", "sub/b.flac"]),
        (["r/*.wav", "r/a.wav", "./r/../r/a.wav"], ["[odd].wav", "a.wav"]),
        (["r/[odd].wav"], ["[odd].wav"]),
    ],
)
def test_files_folders_and_patterns_name_files_once(patterns: list[str], names: list[str], folder: Path) -> None:
    assert find_files(patterns, "r/lib") == [str(folder / "r" / name) for name in names]


def test_no_file_is_an_error(folder: Path) -> None:
    with pytest.raises(RecordingsMissing, match="no file matches none/"):
        find_files(["none/**"], "lib")


def test_ids_follow_from_paths_and_endings_name_audio() -> None:
    assert id_of_path("/a") == id_of_path("/a") != id_of_path("/b")
    assert len(id_of_path(os.fsdecode(b"/\xff"))) == 32
    assert is_named_like_audio("x.WAV".lower())
    assert not is_named_like_audio("x.csv")
