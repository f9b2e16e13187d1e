"""Tables with a header and the columns `filename`, `onset`, `offset` and `text`: TACOS' CSV, and the same with tabs."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.curation.regions.region import Region, read_region, seconds
from training.data.issues import StrictIssues
from training.data.tables import read_rows, write_table

COLUMNS = ("filename", "onset", "offset", "text")


@dataclass(frozen=True, slots=True)
class TableFormat:
    """The format with this delimiter; one file holds the regions of all recordings."""

    delimiter: str

    def read(self, source: Path, extension: str = "") -> list[Region]:
        """The regions of a table; `extension` is added to the names of recordings.

        Raises:
            ValueError: it is not UTF-8, lacks a column, or a row is broken or no region.
        """
        return [
            read_region(where, row["filename"] + extension, row["onset"], row["offset"], row["text"])
            for where, row in read_rows(source, COLUMNS, StrictIssues(), delimiter=self.delimiter)
        ]

    def write(self, regions: Iterable[Region], target: Path) -> None:
        """Writes a table."""
        rows = (
            (r.recording, seconds(r.event.onset_s), seconds(r.event.offset_s), r.event.caption) for r in regions
        )  # fmt: skip
        write_table(target, COLUMNS, (dict(zip(COLUMNS, row, strict=True)) for row in rows), self.delimiter)
