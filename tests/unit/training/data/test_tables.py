import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.issues import DataIssues, StrictIssues
from training.data.tables import existing_tables, read_header, read_json, read_rows, required_list, required_text


def rows(
    tmp_path: Path, text: str | bytes, columns: tuple[str, ...] = ("a", "b")
) -> tuple[list[tuple[str, str]], list[str]]:
    table, issues = tmp_path / "t.csv", DataIssues()
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    values = [(row["a"], row["b"]) for _, row in read_rows(table, columns, issues)]
    return values, [str(issue).removeprefix(f"{tmp_path}/") for issue in issues.recorded]


def test_quotes_commas_blank_lines_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    text = '\ufeffa,b\r\n1,"x, ""y"""\r\n\r\n2,é\r\n'
    assert rows(tmp_path, text) == ([("1", 'x, "y"'), ("2", "é")], [])


def test_a_row_with_a_wrong_number_of_fields_is_recorded_and_the_next_row_is_read(tmp_path: Path) -> None:
    values, issues = rows(tmp_path, "a,b\n1\n1,2,3\n4,5\n")
    assert values == [("4", "5")]
    assert issues == ["t.csv, line 2: 1 fields; 2 are accepted", "t.csv, line 3: 3 fields; 2 are accepted"]


def test_a_superfluous_quote_is_recorded_with_the_lines_that_it_swallows(tmp_path: Path) -> None:
    values, issues = rows(tmp_path, 'a,b\n1,"x\n2,y\n3,z"\n4,5\n6,"w"v\n7,8\n')
    assert values == [("4", "5"), ("7", "8")]
    assert issues[0] == "t.csv, lines 2 to 4: b contains a line break"
    assert issues[1].startswith("t.csv, line 6: ")


def test_a_quote_that_is_never_closed_is_recorded(tmp_path: Path) -> None:
    values, issues = rows(tmp_path, 'a,b\n1,2\n3,"x\n4,5\n')
    assert values == [("1", "2")]
    assert issues == ["t.csv, lines 3 to 4: unexpected end of data"]


def test_an_optional_column_may_contain_line_breaks(tmp_path: Path) -> None:
    assert rows(tmp_path, 'a,b\n1,"x\ny"\n', columns=("a",)) == ([("1", "x\ny")], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"lacks the columns \['a', 'b'\]"),
        (b"a;b\n", r"it has \['a;b'\]"),
        (b"a,b\n\xff\xfe,1\n", "not a table in UTF-8"),
        (b'"a,b\n', "not a table in UTF-8"),
    ],
)
def test_a_file_that_is_not_such_a_table_is_an_error(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rows(tmp_path, text)


def test_a_header_is_read_with_the_same_encoding_as_the_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("\ufeffa,b\n".encode())
    assert read_header(tmp_path / "t.csv") == ["a", "b"]
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"t.csv is not a table in UTF-8"):
        read_header(tmp_path / "t.csv")


def test_strict_reading_raises_at_the_first_issue_and_names_its_file_and_line(tmp_path: Path) -> None:
    table, read = tmp_path / "t.csv", list[str]()
    table.write_text("a,b\n1,2\n3\n4,5,6\n")
    with pytest.raises(ValueError, match=f"^{table}, line 3: 1 fields; 2 are accepted$"):
        read.extend(row["a"] for _, row in read_rows(table, ("a",), StrictIssues()))
    assert read == ["1"]
    with pytest.raises(ValueError, match=r"^here: text is ''; text is accepted$"), StrictIssues().record_errors("here"):
        required_text({"text": ""}, "text")


@given(st.text(st.sampled_from('a,"\n\r;x'), max_size=60))
def test_every_line_of_a_table_is_a_row_or_an_issue_or_blank(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table, issues = Path(folder) / "t.csv", DataIssues()
        table.write_bytes(f"a,b\n{text}\nlast,row\n".encode())
        places = [where for where, _ in read_rows(table, ("a", "b"), issues)]
        places += [issue.where for issue in issues.recorded]
        lines = table.read_bytes().decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    reported: list[int] = []
    for first, last in (re.fullmatch(r".*/t.csv, lines? (\d+)(?: to (\d+))?", place).groups() for place in places):
        reported += range(int(first), int(last or first) + 1)
    assert len(reported) == len(set(reported))
    assert set(reported) >= {number for number, line in enumerate(lines, 1) if number > 1 and line}


def test_a_blank_or_missing_field_is_refused() -> None:
    assert required_text({"a": " a \n dog "}, "a") == "a dog"
    for row in ({}, {"a": " "}, {"a": 3}, {"a": None}, [], 7):
        with pytest.raises(ValueError, match=r"a is .*; text is accepted"):
            required_text(row, "a")
    with pytest.raises(ValueError, match="a is 'x'; a list is accepted"):
        required_list({"a": "x"}, "a")


def test_invalid_json_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(b"\xff{")
    with pytest.raises(ValueError, match=r"t.json is not JSON"):
        read_json(tmp_path / "t.json")


def test_if_no_table_exists_the_accepted_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds none of a.csv, b.csv"):
        existing_tables(tmp_path, {"a.csv": "train", "b.csv": "val"})
