"""The rows that a recording adds to the table of a run over many recordings: CSV, DCASE event list or NDJSON."""

import json
from collections.abc import Iterable
from typing import Literal, get_args

from service.formats.document import Detection
from service.formats.tables import CSV_COLUMNS, DCASE_COLUMNS, cell, csv_text

TableForm = Literal["csv", "dcase", "ndjson"]
TABLE_FORMS: tuple[TableForm, ...] = get_args(TableForm)


def header(form: TableForm) -> str:
    """The first line of a table; NDJSON has none."""
    if form == "csv":
        return csv_text([("file", *CSV_COLUMNS)])
    return "\t".join(DCASE_COLUMNS) + "\n" if form == "dcase" else ""


def segment_rows(form: TableForm, file: str, detections: Iterable[Detection]) -> str:
    """The rows of a recording in a table of segments: CSV in the order of the queries, DCASE in order of time."""
    if form == "csv":
        return csv_text([file, *(getattr(each, column) for column in CSV_COLUMNS)] for each in detections)
    ordered = sorted(detections, key=lambda each: (each.onset_s, each.offset_s, each.label))
    return "".join(f"{cell(file)}\t{each.onset_s}\t{each.offset_s}\t{cell(each.label)}\n" for each in ordered)


def named_lines(file: str, lines: str) -> str:
    """Lines of NDJSON with the path of the recording as their first member."""
    name = json.dumps(file, ensure_ascii=False)
    return "".join(f'{{"file":{name},{line[1:]}\n' for line in lines.split("\n") if line)
