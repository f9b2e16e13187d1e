"""The selection tables of Raven: tab-separated, with a header row.

A selection has one row for each view (waveform and spectrogram). In a table over several recordings, `Begin Time (s)` is
relative to the start of the first recording, and `File Offset (s)` to the start of the selection's recording.
"""

from collections.abc import Iterable
from pathlib import Path

from training.curation.regions.folders import annotation_files, annotation_path
from training.curation.regions.region import Region, events_by_recording, format_seconds, parse_region, read_text

ENDING = ".Table.1.selections.txt"
BEGIN, END, IN_FILE, FILE = "Begin Time (s)", "End Time (s)", "File Offset (s)", "Begin File"
TEXT = ("Annotation", "Caption", "Text", "Label", "Species", "Common Name")
"""Possible names of the annotation column, which the user of Raven chooses. The first that exists is read."""
WRITTEN = ("Selection", "View", "Channel", BEGIN, END, "Low Freq (Hz)", "High Freq (Hz)", FILE, "Annotation")
HIGHEST_HZ = "16000"


def read(source: Path, extension: str = "") -> list[Region]:
    """Reads the selections of a table, or of all tables in a folder. The views of a selection give one region.

    Args:
        source: the table or folder.
        extension: ending to add to the names of recordings that come from file names.

    Raises:
        ValueError: A column is missing, a row has too many or too few cells, or a selection has no text or no length.
    """
    return [
        region
        for file, recording in annotation_files(source, (ENDING, ".selections.txt", ".txt"), extension)
        for region in _read_file(file, recording)
    ]


def _read_file(file: Path, recording: str) -> Iterable[Region]:
    header, *lines = read_text(file).split("\n")
    columns = header.split("\t")
    text = next((name for name in TEXT if name in columns), None)
    if text is None or not {BEGIN, END} <= set(columns):
        raise ValueError(
            f"{file}, line 1: {BEGIN!r}, {END!r} and one of {', '.join(TEXT)} are needed; it has {columns}"
        )
    views: dict[str, str] = {}
    for number, line in enumerate(lines, start=2):
        cells, place = line.split("\t"), f"{file}, line {number}"
        if not line.strip():
            continue
        if len(cells) != len(columns):
            raise ValueError(f"{place}: {len(cells)} cells; the header has {len(columns)}")
        row = dict(zip(columns, cells, strict=True))
        view = row.get("View", "")
        if views.setdefault(row.get("Selection", place), view) == view:
            yield _read_row(place, row, row.get(FILE) or recording, row[text])


def _read_row(place: str, row: dict[str, str], recording: str, text: str) -> Region:
    if not row.get(IN_FILE):
        return parse_region(place, recording, row[BEGIN], row[END], text)
    in_table = parse_region(place, recording, row[BEGIN], row[END], text).event
    try:
        onset_s = float(row[IN_FILE])
    except ValueError as error:
        raise ValueError(f"{place}: {IN_FILE} is {row[IN_FILE]!r}; a number is accepted") from error
    return parse_region(place, recording, onset_s, onset_s + in_table.offset_s - in_table.onset_s, text)


def write(regions: Iterable[Region], target: Path) -> None:
    """Writes a folder with one selection table per recording."""
    for recording, events in events_by_recording(regions).items():
        rows = []
        for number, event in enumerate(events, start=1):
            times = format_seconds(event.onset_s), format_seconds(event.offset_s)
            rows.append((str(number), "Spectrogram 1", "1", *times, "0", HIGHEST_HZ, recording, event.caption))
        text = "".join("\t".join(row) + "\n" for row in (WRITTEN, *rows))
        annotation_path(target, recording, ENDING).write_text(text, encoding="utf-8", newline="\n")
