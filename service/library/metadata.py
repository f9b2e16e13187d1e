"""Metadata of recordings: a CSV table whose columns a library takes over as texts or numbers."""

import csv
import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.core.start_errors import MetadataInvalid
from service.library.recording import COLUMNS, Value

PATH_COLUMN = "path"
MAX_COLUMNS = 200
MAX_VALUE_CHARS = 10_000
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_CODE = re.compile(r"[+-]?0\d")
"""The beginning of digits that are no number, such as 007."""


@dataclass(frozen=True, slots=True)
class MetadataTable:
    """The rows of a table of metadata.

    Attributes:
        source: Path of the table.
        kinds: Types of the columns without the path: `str` or `float`.
        rows: Values of the columns by the path in the table.
    """

    source: str
    kinds: Mapping[str, type]
    rows: Mapping[str, Mapping[str, Value]]

    def by_recording(self, paths: Sequence[str]) -> dict[str, Mapping[str, Value]]:
        """Values of the columns by the absolute path of the recording, for recordings that the table names.

        A path in the table is relative to the folder of the table. If there is no such recording, it names the only
        recording whose path ends with it, so that a table of mere file names can be used.

        Args:
            paths: Absolute paths of all recordings.
        """
        known, folder = set(paths), os.path.dirname(os.path.abspath(self.source))  # noqa: PTH100, PTH120 - follow no links
        by_name: dict[str, list[str]] = {}
        for path in paths:
            by_name.setdefault(os.path.basename(path), []).append(path)  # noqa: PTH119
        found: dict[str, Mapping[str, Value]] = {}
        for named, values in self.rows.items():
            path = os.path.normpath(os.path.join(folder, named))  # noqa: PTH118
            if path not in known:
                ending = os.path.join(os.sep, os.path.normpath(named))  # noqa: PTH118
                ends = [each for each in by_name.get(os.path.basename(named), ()) if each.endswith(ending)]  # noqa: PTH119
                if len(ends) != 1:
                    continue
                path = ends[0]
            found[path] = values
        return found


def read_metadata(path: Path, texts: Collection[str] = ()) -> MetadataTable:
    """Reads a CSV table in UTF-8 with a header.

    The column `path` names the recording, relative to the folder of the table. Every other column becomes a column of the
    library, with its name in lower case. A column whose values are all numbers is a column of numbers; an empty value is no
    value.

    Args:
        path: File of the table.
        texts: Columns of texts, even if all their values are numbers.

    Raises:
        MetadataInvalid: If the table is not such a CSV.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except UnicodeDecodeError as error:
        raise MetadataInvalid(str(path), f"it is not UTF-8 ({error.reason} at byte {error.start})") from error
    except csv.Error as error:
        raise MetadataInvalid(str(path), f"it is not CSV ({error})") from error
    lines = [line for line in lines if line]
    names = _column_names(path, lines[0] if lines else [])
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(names):
            raise MetadataInvalid(
                str(path), f"row {number} has {len(line)} values; the header has {len(names)} columns"
            )
        if any(len(value) > MAX_VALUE_CHARS for value in line):
            raise MetadataInvalid(str(path), f"row {number} has a value of more than {MAX_VALUE_CHARS} characters")
    columns = {name: [line[index] for line in lines[1:]] for index, name in enumerate(names)}
    paths = columns.pop(PATH_COLUMN)
    kinds = {name: str if name in texts else column_kind(values) for name, values in columns.items()}
    rows: dict[str, Mapping[str, Value]] = {}
    for index, recording in enumerate(paths):
        if recording in rows or not recording.strip() or "\0" in recording:
            raise MetadataInvalid(
                str(path), f"row {index + 2} names {recording!r}; each row must name another recording"
            )
        rows[recording] = {name: read_value(values[index], kinds[name]) for name, values in columns.items()}
    return MetadataTable(str(path), kinds, rows)


def _column_names(path: Path, header: Sequence[str]) -> list[str]:
    names = [name.strip().lower() for name in header]
    if PATH_COLUMN not in names:
        shown = ", ".join(names) or "none"
        raise MetadataInvalid(str(path), f"its columns are {shown}; a column path is needed")
    for name in names:
        if names.count(name) > 1:
            raise MetadataInvalid(str(path), f"it has two columns {name}")
        if name != PATH_COLUMN:
            check_column_name(str(path), name)
    if len(names) > MAX_COLUMNS:
        raise MetadataInvalid(str(path), f"it has {len(names)} columns; at most {MAX_COLUMNS} are accepted")
    return names


def check_column_name(source: str, name: str) -> None:
    """Checks that a column of metadata can have this name.

    Raises:
        MetadataInvalid: If it cannot.
    """
    if name in COLUMNS:
        raise MetadataInvalid(source, f"a library keeps its own column {name}; give the column another name")
    if not _NAME.fullmatch(name):
        accepted = "1 to 63 letters without accents, digits and underscores; no digit first"
        raise MetadataInvalid(source, f"a column is named {name!r}; accepted: {accepted}")


def column_kind(values: Sequence[str]) -> type:
    """The type of a column: `float` if it has values and all of them are numbers, otherwise `str`."""
    filled = [value for value in map(str.strip, values) if value]
    is_numeric = all(_NUMBER.fullmatch(value) and not _CODE.match(value) for value in filled)
    return float if filled and is_numeric and all(math.isfinite(float(value)) for value in filled) else str


def read_value(text: str, kind: type) -> Value:
    """Reads a value as the type of its column; None if it is empty."""
    stripped = text.strip()
    if not stripped:
        return None
    return float(stripped) if kind is float else stripped
