from pathlib import Path

import numpy as np
import pytest

from tests.tiny_pack import LABELS
from training.data.decoding import decode
from training.data.pack import AudioStore, Recording, clean_title, read_pack_table


def test_the_table_lists_every_recording_with_its_split(tiny_pack: Path) -> None:
    recordings = read_pack_table(tiny_pack)
    assert {r.label for r in recordings} == set(LABELS)
    assert sum(r.split == "train" for r in recordings) == 16
    assert recordings[0].title == "tone"


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,label\na.wav,dog\n")
    with pytest.raises(ValueError, match="split"):
        read_pack_table(tmp_path)


def test_a_table_that_excel_saved_is_read(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,label,split\r\na.wav,dog,val\r\n", encoding="utf-8-sig")
    assert read_pack_table(tmp_path) == [Recording(tmp_path / "a.wav", "dog", "val")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b.wav,,train", "label is ''; text is accepted"),
        (",dog,train", "path is ''; the path of a recording is accepted"),
        ("b.wav", "1 fields; 3 are accepted"),
        ("b.wav,dog,loud,train", "4 fields; 3 are accepted"),
    ],
)
def test_a_broken_row_is_refused_with_file_and_line(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "clips.csv").write_text(f"path,label,split\na.wav,dog,train\n{row}\n")
    with pytest.raises(ValueError, match=f"^{tmp_path}/clips.csv, line 3: {message}$"):
        read_pack_table(tmp_path)


def test_an_unknown_split_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,label,split\na.wav,dog,test\n")
    with pytest.raises(ValueError, match=r"line 2.*'test'"):
        read_pack_table(tmp_path)


@pytest.mark.parametrize(
    ("title", "words"),
    [("rose_bark.wav", "rose bark"), ("Dog-03.WAV", "dog"), ("MouseClick2", "mouse click"), ("", "")],
)
def test_a_title_becomes_words(title: str, words: str) -> None:
    assert clean_title(title) == words


def test_the_store_returns_the_samples_of_each_recording(tiny_pack: Path) -> None:
    recordings = read_pack_table(tiny_pack)
    store = AudioStore.decode(recordings, 16_000)
    assert len(store) == len(recordings)
    np.testing.assert_allclose(store[3], decode(recordings[3].path, 16_000), atol=1e-4)
