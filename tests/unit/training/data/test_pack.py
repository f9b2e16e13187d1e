from pathlib import Path

import numpy as np
import pytest

from tests.tiny_pack import LABELS
from training.data.decoding import decode
from training.data.pack import AudioStore, clean_title, read_table


def test_the_table_lists_every_recording_with_its_split(tiny_pack: Path) -> None:
    recordings = read_table(tiny_pack)
    assert {r.label for r in recordings} == set(LABELS)
    assert sum(r.split == "train" for r in recordings) == 16
    assert recordings[0].title == "tone"


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,label\na.wav,dog\n")
    with pytest.raises(ValueError, match="split"):
        read_table(tmp_path)


def test_an_unknown_split_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,label,split\na.wav,dog,test\n")
    with pytest.raises(ValueError, match=r"line 2.*'test'"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("title", "words"),
    [("rose_bark.wav", "rose bark"), ("Dog-03.WAV", "dog"), ("MouseClick2", "mouse click"), ("", "")],
)
def test_a_title_becomes_words(title: str, words: str) -> None:
    assert clean_title(title) == words


def test_the_store_gives_back_each_recording(tiny_pack: Path) -> None:
    recordings = read_table(tiny_pack)
    store = AudioStore.decode(recordings, 16_000)
    assert len(store) == len(recordings)
    np.testing.assert_allclose(store[3], decode(recordings[3].path, 16_000), atol=1e-4)
