"""A table with captions that are to be cleaned."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from training.data.issues import StrictIssues
from training.data.tables import read_header, read_rows

CAPTION_COLUMNS = ("text", "caption")


@dataclass(frozen=True, slots=True)
class CaptionTable:
    """The content of a table.

    Attributes:
        columns: the names of all columns.
        caption_column: the name of the column with the captions, one of CAPTION_COLUMNS.
        rows: the rows, each with its place: the file and the line as text.
    """

    columns: tuple[str, ...]
    caption_column: str
    rows: tuple[tuple[str, dict[str, str]], ...]


def read_caption_table(file: Path, required: Collection[str]) -> CaptionTable:
    """Reads a table with the required columns and one of CAPTION_COLUMNS. Further columns are kept.

    Raises:
        FileNotFoundError: The table is missing.
        ValueError: The table is not UTF-8, lacks a column, or has a broken row.
    """
    rows, columns = tuple(read_rows(file, required, StrictIssues())), tuple(read_header(file))
    caption_column = next((name for name in CAPTION_COLUMNS if name in columns), None)
    if caption_column is None:
        raise ValueError(f"{file} has the columns {list(columns)}; one of {list(CAPTION_COLUMNS)} is needed")
    return CaptionTable(columns, caption_column, rows)
