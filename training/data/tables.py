"""Tables: rows of CSV and TSV files and entries of JSON files; a broken one is left out or refused, and never repaired."""

import contextlib
import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from training.data.issues import BROKEN_ROW, DataIssues


def read_rows(
    file: Path,
    columns: Collection[str],
    issues: DataIssues,
    *,
    delimiter: str = ",",
    header: Sequence[str] | None = None,
) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a table, each with the words for where it stands. `header` names the columns of a table without one.

    A row is a issue, which is left out or ends the reading (`StrictIssues`), when its quotes or its number of fields are wrong,
    or one of `columns` goes over lines: an opening quote too many would else swallow the rows after it.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: one of `columns` is missing, the table is not text, or a row is refused.
    """
    with _opened(file) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        names = list(header or next(reader, ()))
        if missing := sorted(set(columns) - set(names)):
            raise ValueError(f"{file} lacks the columns {missing}; it has {names}")
        yield from _rows(reader, names, columns, file, issues)


def _rows(
    reader: Any, names: Sequence[str], columns: Collection[str], table: Path, issues: DataIssues
) -> Iterator[tuple[str, dict[str, str]]]:
    while True:
        first = reader.line_num + 1
        try:
            fields, error = next(reader), ""
        except StopIteration:
            return
        except csv.Error as wrong:
            fields, error = [], str(wrong)
        lines = f"line {first}" if first == reader.line_num else f"lines {first} to {reader.line_num}"
        where, row = f"{table}, {lines}", dict(zip(names, fields, strict=False))
        if fields and len(fields) != len(names):
            error = f"{len(fields)} fields; {len(names)} are accepted"
        elif torn := [name for name in columns if len(row.get(name, "").splitlines()) > 1]:
            error = f"{torn[0]} goes over lines"
        if error:
            issues.add(BROKEN_ROW, where, error)
        elif fields:
            yield where, row


def read_header(file: Path) -> list[str]:
    """The names of a CSV table's columns.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: it is not text.
    """
    with _opened(file) as lines:
        return next(csv.reader(lines), [])


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    """A table as text, with or without the byte order mark that Excel writes."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        try:
            yield lines
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{file} is no table of UTF-8 text: {error}") from error


def write_table(file: Path, columns: Iterable[str], rows: Iterable[dict[str, str]], delimiter: str = ",") -> None:
    """Writes a table; the file is the old one or the whole new one, whatever happens."""
    part = file.with_name(f"{file.name}.part")
    with part.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(columns), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(file)


def read_json(file: Path) -> Any:
    """What a JSON file holds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error


def required_text(row: Any, name: str) -> str:
    """A field that must say something, its white space made single.

    Raises:
        ValueError: the field is not there, is not text, or is empty.
    """
    value = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}; text is accepted")
    return " ".join(value.split())


def required_list(row: Any, name: str) -> list[Any]:
    """A field that must be a list. Raises ValueError where it is not."""
    value = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(value, list):
        raise ValueError(f"{name} is {value!r:.80}; a list is accepted")
    return value


def existing_tables(folder: Path, tables: Mapping[str, str]) -> dict[Path, str]:
    """Those of some tables, each with what it stands for, that a folder holds; a data set may be there in part.

    Raises:
        FileNotFoundError: none of them is there.
    """
    there = {folder / name: meaning for name, meaning in tables.items() if (folder / name).is_file()}
    if not there:
        raise FileNotFoundError(f"{folder} holds none of {', '.join(tables)}")
    return there
