"""A table whose captions are to be cleaned: which of its columns holds them."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from training.data.issues import StrictIssues
from training.data.tables import read_header, read_rows

CAPTION_COLUMNS = ("text", "caption")


@dataclass(frozen=True, slots=True)
class CaptionTable:
    """A table as it stands in its file: its columns, that of the captions, and its rows with where each stands."""

    columns: tuple[str, ...]
    column: str
    rows: tuple[tuple[str, dict[str, str]], ...]


def read_caption_table(file: Path, required: Collection[str]) -> CaptionTable:
    """Reads a table with the required columns and one of CAPTION_COLUMNS; further ones are kept.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: it is not UTF-8, lacks a column, or a row is broken.
    """
    rows, columns = tuple(read_rows(file, required, StrictIssues())), tuple(read_header(file))
    column = next((name for name in CAPTION_COLUMNS if name in columns), None)
    if column is None:
        raise ValueError(f"{file} has the columns {list(columns)}; one of {list(CAPTION_COLUMNS)} is needed")
    return CaptionTable(columns, column, rows)
