import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.reading import Problems
from training.data.tables import list_of, read_json, read_rows, tables_there, text_of


def rows(
    tmp_path: Path, text: str | bytes, columns: tuple[str, ...] = ("a", "b")
) -> tuple[list[tuple[str, str]], list[str]]:
    table, problems = tmp_path / "t.csv", Problems()
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = [(row["a"], row["b"]) for _, row in read_rows(table, columns, problems)]
    return found, list(map(str, problems.found))


def test_quotes_commas_blank_lines_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    text = '\ufeffa,b\r\n1,"x, ""y"""\r\n\r\n2,é\r\n'
    assert rows(tmp_path, text) == ([("1", 'x, "y"'), ("2", "é")], [])


def test_a_row_with_wrong_fields_is_told_and_the_next_one_is_read(tmp_path: Path) -> None:
    found, problems = rows(tmp_path, "a,b\n1\n1,2,3\n4,5\n")
    assert found == [("4", "5")]
    assert problems == ["t.csv, line 2: 1 fields; 2 are accepted", "t.csv, line 3: 3 fields; 2 are accepted"]


def test_a_quote_too_many_is_told_with_the_lines_that_it_swallows(tmp_path: Path) -> None:
    found, problems = rows(tmp_path, 'a,b\n1,"x\n2,y\n3,z"\n4,5\n6,"w"v\n7,8\n')
    assert found == [("4", "5"), ("7", "8")]
    assert problems[0] == "t.csv, lines 2 to 4: b goes over lines"
    assert problems[1].startswith("t.csv, line 6: ")


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    found, problems = rows(tmp_path, 'a,b\n1,2\n3,"x\n4,5\n')
    assert found == [("1", "2")]
    assert problems == ["t.csv, lines 3 to 4: unexpected end of data"]


def test_a_column_that_is_not_needed_may_go_over_lines(tmp_path: Path) -> None:
    assert rows(tmp_path, 'a,b\n1,"x\ny"\n', columns=("a",)) == ([("1", "x\ny")], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"lacks the columns \['a', 'b'\]"),
        (b"a;b\n", r"it has \['a;b'\]"),
        (b"a,b\n\xff\xfe,1\n", "no table of UTF-8"),
        (b'"a,b\n', "no table of UTF-8"),
    ],
)
def test_what_is_no_such_table_is_an_error(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rows(tmp_path, text)


@given(st.text(st.sampled_from('a,"\n\r;x'), max_size=60))
def test_every_line_of_a_table_is_a_row_or_a_problem_or_blank(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table, problems = Path(folder) / "t.csv", Problems()
        table.write_bytes(f"a,b\n{text}\nlast,row\n".encode())
        places = [where for where, _ in read_rows(table, ("a", "b"), problems)]
        places += [problem.where for problem in problems.found]
        lines = table.read_bytes().decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    told: list[int] = []
    for first, last in (re.fullmatch(r"t.csv, lines? (\d+)(?: to (\d+))?", place).groups() for place in places):
        told += range(int(first), int(last or first) + 1)
    assert len(told) == len(set(told))
    assert set(told) >= {number for number, line in enumerate(lines, 1) if number > 1 and line}


def test_a_field_that_says_nothing_is_refused() -> None:
    assert text_of({"a": " a \n dog "}, "a") == "a dog"
    for row in ({}, {"a": " "}, {"a": 3}, {"a": None}, [], 7):
        with pytest.raises(ValueError, match=r"a is .*; text is accepted"):
            text_of(row, "a")
    with pytest.raises(ValueError, match="a is 'x'; a list is accepted"):
        list_of({"a": "x"}, "a")


def test_json_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(b"\xff{")
    with pytest.raises(ValueError, match=r"t.json is not JSON"):
        read_json(tmp_path / "t.json")


def test_of_no_table_there_the_accepted_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds none of a.csv, b.csv"):
        tables_there(tmp_path, {"a.csv": "train", "b.csv": "val"})
