"""Tables of segments: CSV, the TSV of DCASE, label tracks of Audacity and selection tables of Raven."""

import csv
from collections.abc import Iterable

from service.formats.document import Document

CSV_COLUMNS = ("query", "onset_s", "offset_s", "score", "peak_s")
DCASE_COLUMNS = ("filename", "onset", "offset", "event_label")
RAVEN_COLUMNS = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Begin File",
    "Annotation",
    "Score",
)
_RAVEN_VIEW = "Spectrogram 1"


def as_csv(document: Document) -> str:
    """Renders CSV: a header, and one row for each segment."""
    rows = ([getattr(each, column) for column in CSV_COLUMNS] for each in document.detections)
    return csv_text([CSV_COLUMNS, *rows])


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Renders rows as CSV, with quotation marks where they are needed (RFC 4180)."""
    lines = _Lines()
    csv.writer(lines, lineterminator=_Lines.ENDING).writerows(rows)
    return "".join(lines.lines)


class _Lines:
    """Receives rows of `csv.writer`, which puts a carriage return in quotation marks only if lines end with one."""

    ENDING = "\r\n"

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line.removesuffix(self.ENDING) + "\n")


def as_dcase(document: Document) -> str:
    """Renders the tab-separated event list of the DCASE challenges: file, onset and offset in seconds, label."""
    rows = [(cell(document.name), each.onset_s, each.offset_s, cell(each.label)) for each in document.by_time]
    return _tab_separated([DCASE_COLUMNS, *rows])


def as_audacity(document: Document) -> str:
    """Renders a label track for Audacity (File, Import, Labels): onset, offset, query, without a header."""
    return _tab_separated((f"{each.onset_s:.6f}", f"{each.offset_s:.6f}", each.label) for each in document.by_time)


def as_raven(document: Document) -> str:
    """Renders a selection table for Raven, whose selections span all frequencies that the model hears."""
    rows = [
        (
            number,
            _RAVEN_VIEW,
            1,
            f"{each.onset_s:.6f}",
            f"{each.offset_s:.6f}",
            "0.000",
            f"{document.highest_hz:.3f}",
            cell(document.name),
            cell(each.label),
            each.score,
        )
        for number, each in enumerate(document.by_time, start=1)
    ]
    return _tab_separated([RAVEN_COLUMNS, *rows])


def cell(text: str) -> str:
    """Text for a tab-separated table: on one line, with ' for ", because some readers take " as the start of a quotation."""
    return " ".join(text.split()).replace('"', "'")


def _tab_separated(rows: Iterable[Iterable[object]]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)
