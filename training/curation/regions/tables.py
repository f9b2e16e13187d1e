"""Tables with a header and the columns `filename`, `onset`, `offset` and `text`: TACOS' CSV, and the same with tabs."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.curation.regions.region import Region, read_region, read_text, seconds

COLUMNS = ("filename", "onset", "offset", "text")


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it stands in its file: its columns, and its rows with the line on which each ends."""

    file: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def read_table(file: Path, required: Iterable[str], delimiter: str = ",") -> Table:
    """Reads a table; further columns are kept.

    Raises:
        ValueError: it is not UTF-8, a required column is missing, or a row has another number of cells than the header.
    """
    rows = csv.DictReader(io.StringIO(read_text(file)), delimiter=delimiter, strict=True)
    try:
        columns = tuple(rows.fieldnames or ())
        if missing := set(required) - set(columns):
            raise ValueError(f"{file}, line 1: no column {', '.join(sorted(missing))}; there is {', '.join(columns)}")
        table = Table(file, columns, tuple((rows.line_num, row) for row in rows))
    except csv.Error as error:
        raise ValueError(f"{file}, line {rows.line_num + 1}: {error}") from error
    for line, row in table.rows:
        if None in row or None in row.values():
            raise ValueError(f"{file}, line {line}: more or fewer cells than the {len(columns)} of the header")
    return table


def write_table(file: Path, columns: Iterable[str], rows: Iterable[dict[str, str]], delimiter: str = ",") -> None:
    """Writes a table; the file is the old one or the whole new one, whatever happens."""
    part = file.with_name(f"{file.name}.part")
    with part.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(columns), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(file)


@dataclass(frozen=True, slots=True)
class TableFormat:
    """The format with this delimiter; one file holds the regions of all recordings."""

    delimiter: str

    def read(self, source: Path, extension: str = "") -> list[Region]:
        """The regions of a table; `extension` is added to the names of recordings."""
        table = read_table(source, COLUMNS, self.delimiter)
        return [
            read_region(f"{source}, line {line}", r["filename"] + extension, r["onset"], r["offset"], r["text"])
            for line, r in table.rows
        ]

    def write(self, regions: Iterable[Region], target: Path) -> None:
        """Writes a table."""
        rows = (
            (r.recording, seconds(r.event.onset_s), seconds(r.event.offset_s), r.event.caption) for r in regions
        )  # fmt: skip
        write_table(target, COLUMNS, (dict(zip(COLUMNS, row, strict=True)) for row in rows), self.delimiter)
