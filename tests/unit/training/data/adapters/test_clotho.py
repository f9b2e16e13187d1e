from pathlib import Path

import pytest

from tests.tiny_audio import write_burst
from training.data.datasets import read_dataset, read_with_issues

HEADER = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"


def build(folder: Path) -> Path:
    for path in ("development/Car Horn, 2nd.wav", "development/a.wav", "validation/b.wav", "evaluation/c.wav"):
        write_burst(folder / path, rate_hz=44_100)
    (folder / "clotho_captions_development.csv").write_text(
        HEADER
        + '"Car Horn, 2nd.wav","A car, honking.",Two,Three,Four,"Five ""cars"""\n'
        + "a.wav,One,Two,,Four,Five\n"
        + "gone.wav,One,Two,Three,Four,Five\n"
    )
    (folder / "clotho_captions_validation.csv").write_text(HEADER + "b.wav,One,Two,Three,Four,Five\n")
    (folder / "clotho_captions_evaluation.csv").write_text(HEADER + "c.wav,One,Two,Three,Four,Five\n")
    return folder


def test_each_recording_has_five_captions_and_the_split_of_its_folder(tmp_path: Path) -> None:
    horn, b, c = read_dataset("clotho", build(tmp_path))
    assert horn.path == tmp_path / "development" / "Car Horn, 2nd.wav"
    assert horn.captions == ("A car, honking.", "Two", "Three", "Four", 'Five "cars"')
    assert [example.split for example in (horn, b, c)] == ["train", "val", "test"]


def test_a_missing_caption_and_a_missing_file_are_recorded(tmp_path: Path) -> None:
    issues = read_with_issues("clotho", build(tmp_path)).issues
    assert [(issue.kind, issue.where) for issue in issues] == [
        ("broken row", f"{tmp_path}/clotho_captions_development.csv, line 3"),
        ("missing file", str(tmp_path / "development" / "gone.wav")),
    ]


def test_one_table_is_enough_and_none_is_an_error(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "clotho_captions_development.csv").unlink()
    (tmp_path / "clotho_captions_validation.csv").unlink()
    assert [example.split for example in read_dataset("clotho", tmp_path)] == ["test"]
    (tmp_path / "clotho_captions_evaluation.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds none of clotho_captions_development.csv"):
        read_dataset("clotho", tmp_path)
