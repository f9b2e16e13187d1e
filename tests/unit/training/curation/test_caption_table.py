from pathlib import Path

import pytest

from training.curation.caption_table import CaptionTable, read_caption_table


def write_table(folder: Path, text: str) -> Path:
    (folder / "t.csv").write_text(text)
    return folder / "t.csv"


@pytest.mark.parametrize("column", ["text", "caption"])
def test_the_column_of_captions_is_recognized_and_all_columns_are_kept(column: str, tmp_path: Path) -> None:
    file = write_table(tmp_path, f"filename,{column},note\na.wav,a dog,loud\n")
    row = {"filename": "a.wav", column: "a dog", "note": "loud"}
    assert read_caption_table(file, ["filename"]) == CaptionTable(
        ("filename", column, "note"), column, ((f"{file}, line 2", row),)
    )


def test_text_is_read_if_a_table_has_both_columns(tmp_path: Path) -> None:
    table = read_caption_table(write_table(tmp_path, "caption,text\na,b\n"), [])
    assert table.caption_column == "text"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,onset\na,1\n", r"t\.csv has the columns \['filename', 'onset'\]; one of \['text', 'caption'\]"),
        ("text\na\n", r"lacks the columns \['filename'\]; it has \['text'\]"),
        ("filename,text\na\n", r"t\.csv, line 2: 1 fields; 2 are accepted"),
    ],
)
def test_an_invalid_table_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_caption_table(write_table(tmp_path, text), ["filename"])


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_caption_table(tmp_path / "t.csv", [])
