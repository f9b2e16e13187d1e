"""Reads rows of CSV and TSV tables and entries of JSON files; a broken entry is skipped or refused, never repaired."""

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
    """Yields the rows of a table, each with its place: the file and the line as text.

    A row is broken if its quoting or its number of fields is wrong, or if one of the required fields contains a line
    break: a superfluous opening quote would otherwise swallow the following rows. A broken row is added to `issues`,
    which skips it or raises (`StrictIssues`).

    Args:
        file: the table.
        columns: names of the required columns.
        issues: receives the broken rows.
        delimiter: the character between two fields.
        header: names of the columns of a table that has no header row.

    Raises:
        FileNotFoundError: The table is missing.
        ValueError: A required column is missing, the table is not text, or `issues` refuses a row.
    """
    with _open_text(file) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        names = list(header or next(reader, ()))
        if missing := sorted(set(columns) - set(names)):
            raise ValueError(f"{file} lacks the columns {missing}; it has {names}")
        yield from _rows(reader, names, columns, file, issues)


def _rows(
    reader: Any, names: Sequence[str], columns: Collection[str], table: Path, issues: DataIssues
) -> Iterator[tuple[str, dict[str, str]]]:
    while True:
        first_line = reader.line_num + 1
        try:
            fields, error = next(reader), ""
        except StopIteration:
            return
        except csv.Error as csv_error:
            fields, error = [], str(csv_error)
        last_line = reader.line_num
        lines = f"line {first_line}" if first_line == last_line else f"lines {first_line} to {last_line}"
        where, row = f"{table}, {lines}", dict(zip(names, fields, strict=False))
        if fields and len(fields) != len(names):
            error = f"{len(fields)} fields; {len(names)} are accepted"
        elif multiline := [name for name in columns if len(row.get(name, "").splitlines()) > 1]:
            error = f"{multiline[0]} contains a line break"
        if error:
            issues.add(BROKEN_ROW, where, error)
        elif fields:
            yield where, row


def read_header(file: Path) -> list[str]:
    """Reads the column names of a CSV table.

    Raises:
        FileNotFoundError: The table is missing.
        ValueError: The table is not text.
    """
    with _open_text(file) as lines:
        return next(csv.reader(lines), [])


@contextlib.contextmanager
def _open_text(file: Path) -> Iterator[TextIO]:
    """Opens a table as UTF-8 text, with or without the byte order mark that Excel writes."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        try:
            yield lines
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{file} is not a table in UTF-8: {error}") from error


def write_table(file: Path, columns: Iterable[str], rows: Iterable[dict[str, str]], delimiter: str = ",") -> None:
    """Writes a table, and replaces an existing one only when the new one is complete."""
    part = file.with_name(f"{file.name}.part")
    with part.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(columns), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(file)


def read_json(file: Path) -> Any:
    """Reads the content of a JSON file.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is not JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error


def required_text(row: Any, name: str) -> str:
    """Returns the text of a field, with every run of white space replaced by one space.

    Raises:
        ValueError: The field is missing, is not text, or is blank.
    """
    value = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}; text is accepted")
    return " ".join(value.split())


def required_list(row: Any, name: str) -> list[Any]:
    """Returns a field that holds a list.

    Raises:
        ValueError: The field is missing or is not a list.
    """
    value = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(value, list):
        raise ValueError(f"{name} is {value!r:.80}; a list is accepted")
    return value


def existing_tables(folder: Path, tables: Mapping[str, str]) -> dict[Path, str]:
    """Selects the tables that exist in a folder, since a copy of a data set may hold only some of its splits.

    Args:
        folder: the folder of the data set.
        tables: a value for each table name, usually the table's split.

    Returns:
        The value for the path of each table that exists.

    Raises:
        FileNotFoundError: None of the tables exists.
    """
    existing = {folder / name: value for name, value in tables.items() if (folder / name).is_file()}
    if not existing:
        raise FileNotFoundError(f"{folder} holds none of {', '.join(tables)}")
    return existing
