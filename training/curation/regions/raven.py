"""Raven's selection tables: tab-separated with a header; a selection has a row for each view, a waveform and a spectrogram.

In a table over several files, `Begin Time (s)` counts from the first file's start and `File Offset (s)` from the own one's.
"""

from collections.abc import Iterable
from pathlib import Path

from training.curation.regions.folders import annotation_file, annotation_files
from training.curation.regions.region import Region, by_recording, read_region, read_text, seconds

ENDING = ".Table.1.selections.txt"
BEGIN, END, IN_FILE, FILE = "Begin Time (s)", "End Time (s)", "File Offset (s)", "Begin File"
TEXT = ("Annotation", "Caption", "Text", "Label", "Species", "Common Name")
"""Annotation columns are named by people; the first of these that is there is read."""
WRITTEN = ("Selection", "View", "Channel", BEGIN, END, "Low Freq (Hz)", "High Freq (Hz)", FILE, "Annotation")
HIGHEST_HZ = "16000"


def read(source: Path, extension: str = "") -> list[Region]:
    """The selections of a table, or of all tables in a folder; one that is shown in several views is one.

    Raises:
        ValueError: a column is missing, a row has too many or too few cells, or a selection has no text or no length.
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
        return read_region(place, recording, row[BEGIN], row[END], text)
    in_sequence = read_region(place, recording, row[BEGIN], row[END], text).event
    try:
        onset_s = float(row[IN_FILE])
    except ValueError as error:
        raise ValueError(f"{place}: {IN_FILE} is {row[IN_FILE]!r}; a number is accepted") from error
    return read_region(place, recording, onset_s, onset_s + in_sequence.offset_s - in_sequence.onset_s, text)


def write(regions: Iterable[Region], target: Path) -> None:
    """Writes a folder with a selection table for each recording."""
    for recording, events in by_recording(regions).items():
        rows = [
            (str(i), "Spectrogram 1", "1", seconds(e.onset_s), seconds(e.offset_s), "0", HIGHEST_HZ, recording, e.caption)
            for i, e in enumerate(events, start=1)
        ]  # fmt: skip
        text = "".join("\t".join(row) + "\n" for row in (WRITTEN, *rows))
        annotation_file(target, recording, ENDING).write_text(text, encoding="utf-8", newline="\n")
