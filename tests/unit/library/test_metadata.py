from pathlib import Path

import pytest

from service.core.start_errors import MetadataInvalid
from service.library.metadata import column_kind, read_metadata


def _table(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_columns_are_numbers_if_all_their_values_are(tmp_path: Path) -> None:
    table = read_metadata(_table(tmp_path, "path,Site,gain_db,code\na.wav,north,3,007\nb.wav,,-1.5e1,012\n"))
    assert table.kinds == {"site": str, "gain_db": float, "code": str}
    assert table.rows["a.wav"] == {"site": "north", "gain_db": 3.0, "code": "007"}
    assert table.rows["b.wav"] == {"site": None, "gain_db": -15.0, "code": "012"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [([], str), (["", " "], str), (["1", ""], float), (["1e999"], str), (["nan"], str), (["0"], float)],
)
def test_kinds_of_columns(values: list[str], kind: type) -> None:
    assert column_kind(values) is kind


def test_a_path_is_relative_to_the_table_or_the_end_of_the_only_such_path(tmp_path: Path) -> None:
    table = read_metadata(_table(tmp_path, "path,n\nx/a.wav,1\nb.wav,2\nc.wav,3\n/abs/d.wav,4\nno.wav,5\n"))
    paths = [f"{tmp_path}/x/a.wav", "/far/b.wav", "/far/c.wav", "/near/c.wav", "/abs/d.wav"]
    found = table.by_recording(paths)
    assert {path: values["n"] for path, values in found.items()} == {paths[0]: 1.0, paths[1]: 2.0, paths[4]: 4.0}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a column path is needed"),
        ("name\nx\n", "its columns are name"),
        ("path,a,A\nx,1,2\n", "two columns a"),
        ("path,a\nx\n", "row 2 has 1 values"),
        ("path,a\nx,1\nx,2\n", "row 3 names 'x'"),
        ("path,generation\nx,1\n", "keeps its own column generation"),
        ("path,größe\nx,1\n", "named 'größe'"),
        ("path,a b\nx,1\n", "named 'a b'"),
        (b"path,a\nx,\xff\n", "not UTF-8"),
        ('path,a\nx,"1\n', "not CSV"),
        ("path,a\nx," + "y" * 10_001 + "\n", "more than 10000 characters"),
        ("path," + ",".join(f"c{i}" for i in range(200)) + "\n", "201 columns"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_reason(text: str | bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(MetadataInvalid, match=reason):
        read_metadata(_table(tmp_path, text))


def test_a_column_of_texts_stays_one_if_all_its_values_are_numbers(tmp_path: Path) -> None:
    table = read_metadata(_table(tmp_path, "path,site,gain\na.wav,5,3\n"), ["site"])
    assert table.kinds == {"site": str, "gain": float}
    assert table.rows == {"a.wav": {"site": "5", "gain": 3.0}}
