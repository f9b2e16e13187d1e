import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_audio import write_burst
from training.data.datasets import read_dataset, read_with_issues


def write_table(folder: Path, name: str, entries: Any) -> None:
    table = folder / "json_files" / name
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(json.dumps(entries))


def build(folder: Path) -> Path:
    for path in (
        "AudioSet_SL/mnt/AudioSet_SL_flac/Yabc.flac",
        "FreeSound/17.flac",
        "FreeSound/18.flac",
        "SoundBible/17.flac",
    ):
        write_burst(folder / "audio" / path, rate_hz=32_000)
    audioset = [
        {"id": "Yabc.wav", "caption": "Rain falls.", "audio": "", "duration": 10.0},
        {"id": "Ytest.wav", "caption": "A test."},
    ]
    freesound = [
        {"id": "17", "caption": "A dog barks.", "tags": ["dog"]},
        {"id": "18", "caption": None},
        {"caption": "?"},
        7,
    ]
    for name, entries in (
        ("AudioSet_SL/as_final.json", audioset),
        ("FreeSound/fsd_final.json", freesound),
        ("SoundBible/sb_final.json", [{"id": "17", "caption": "A bell rings."}, {"id": "gone", "caption": "A gong."}]),
    ):
        write_table(folder, name, {"num_captions_per_audio": 1, "data": entries})
    write_table(folder, "FreeSound/fsd_final_2s.json", {"data": freesound})
    write_table(folder, "blacklist/test.json", {"AudioSet": ["Ytest.wav"], "FreeSound": ["99.wav"]})
    return folder


def test_recordings_come_from_the_folder_of_their_source_and_blacklisted_ones_are_left_out(tmp_path: Path) -> None:
    examples = read_dataset("wavcaps", build(tmp_path))
    assert [(str(e.path.relative_to(tmp_path)), e.captions, e.split) for e in examples] == [
        ("audio/AudioSet_SL/mnt/AudioSet_SL_flac/Yabc.flac", ("Rain falls.",), "train"),
        ("audio/FreeSound/17.flac", ("A dog barks.",), "train"),
        ("audio/SoundBible/17.flac", ("A bell rings.",), "train"),
    ]


def test_broken_entries_and_missing_files_are_recorded(tmp_path: Path) -> None:
    issues = read_with_issues("wavcaps", build(tmp_path)).issues
    assert list(map(str, issues)) == [
        f"{tmp_path}/json_files/FreeSound/fsd_final.json, entry 1: caption is None; text is accepted",
        f"{tmp_path}/json_files/FreeSound/fsd_final.json, entry 2: id is None; text is accepted",
        f"{tmp_path}/json_files/FreeSound/fsd_final.json, entry 3: id is None; text is accepted",
        f"{tmp_path / 'audio' / 'SoundBible' / 'gone.*'}: file not found",
    ]


@pytest.mark.parametrize(
    ("text", "message"), [("[]", r'sb_final.json does not hold {"data": \[...\]}'), ("{", "is not JSON")]
)
def test_a_table_of_another_format_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (build(tmp_path) / "json_files" / "SoundBible" / "sb_final.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_dataset("wavcaps", tmp_path)


def test_a_blacklist_of_another_format_is_an_error(tmp_path: Path) -> None:
    write_table(build(tmp_path), "blacklist/test.json", ["Ytest.wav"])
    with pytest.raises(ValueError, match=r"test.json does not hold a list of ids for each source"):
        read_dataset("wavcaps", tmp_path)
