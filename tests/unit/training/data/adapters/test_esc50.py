from pathlib import Path

import pytest

from tests.tiny_audio import write_burst
from training.data.datasets import read_dataset, read_with_issues

HEADER = "filename,fold,target,category,esc10,src_file,take\n"


def build(folder: Path) -> Path:
    rows = [f"{fold}-100-A-{fold}.wav,{fold},{fold},clock_alarm,False,100,A\n" for fold in range(1, 7)]
    for fold in range(1, 7):
        write_burst(folder / "audio" / f"{fold}-100-A-{fold}.wav", rate_hz=44_100)
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_text(HEADER + "".join(rows) + "gone.wav,1,0,dog,True,1,A\n")
    return folder


def test_folds_become_splits_and_categories_become_words(tmp_path: Path) -> None:
    examples = read_dataset("esc50", build(tmp_path))
    assert [example.split for example in examples] == ["train", "train", "train", "val", "test"]
    assert {example.captions for example in examples} == {("clock alarm",)}


def test_an_unknown_fold_and_a_missing_file_are_recorded(tmp_path: Path) -> None:
    issues = read_with_issues("esc50", build(tmp_path)).issues
    assert [str(issue).removeprefix(f"{tmp_path}/") for issue in issues] == [
        "meta/esc50.csv, line 7: fold is '6'; 1 to 5 is accepted",
        "audio/gone.wav: file not found",
    ]


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"esc50.csv"):
        read_dataset("esc50", tmp_path)
