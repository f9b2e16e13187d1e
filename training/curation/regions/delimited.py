"""Tables with a header row and the columns `filename`, `onset`, `offset` and `text`: the CSV of TACOS, and its TSV form."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.curation.regions.region import Region, format_seconds, parse_region
from training.data.issues import StrictIssues
from training.data.tables import read_rows, write_table

COLUMNS = ("filename", "onset", "offset", "text")


@dataclass(frozen=True, slots=True)
class TableFormat:
    """The table format with a given delimiter. One file holds the regions of all recordings."""

    delimiter: str

    def read(self, source: Path, extension: str = "") -> list[Region]:
        """Reads the regions of a table, and adds `extension` to the names of recordings.

        Raises:
            ValueError: The table is not UTF-8, lacks a column, or has a row that is broken or is not a region.
        """
        return [
            parse_region(where, row["filename"] + extension, row["onset"], row["offset"], row["text"])
            for where, row in read_rows(source, COLUMNS, StrictIssues(), delimiter=self.delimiter)
        ]

    def write(self, regions: Iterable[Region], target: Path) -> None:
        """Writes regions to a table."""
        rows = (
            (r.recording, format_seconds(r.event.onset_s), format_seconds(r.event.offset_s), r.event.caption) for r in regions
        )  # fmt: skip
        write_table(target, COLUMNS, (dict(zip(COLUMNS, row, strict=True)) for row in rows), self.delimiter)
