r"""The label tracks of Audacity: one file per recording, with tab-separated lines of onset, offset and text.

A line that starts with a backslash holds the frequency range of the label above it. It is not read, since captions have
times but no frequency ranges. Audacity's manual describes the format under "Importing and Exporting Labels".
"""

from collections.abc import Iterable
from pathlib import Path

from training.curation.regions.folders import annotation_files, annotation_path
from training.curation.regions.region import Region, events_by_recording, format_seconds, parse_region, read_text

ENDING = ".txt"


def read(source: Path, extension: str = "") -> list[Region]:
    """Reads the labels of a file, or of all files in a folder.

    Args:
        source: the file or folder.
        extension: ending to add to the names of recordings, for example `.wav`.

    Raises:
        ValueError: A line is not a label, has no text, or marks a point in time instead of a region.
    """
    return [
        region
        for file, recording in annotation_files(source, (ENDING,), extension)
        for region in _read_file(file, recording)
    ]


def _read_file(file: Path, recording: str) -> Iterable[Region]:
    previous = ""
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        cells, place = line.split("\t", 2), f"{file}, line {number}"
        if line.startswith("\\"):
            if len(cells) != 3 or not previous:
                raise ValueError(f"{place}: {line!r}; a backslash and two numbers are accepted, below a label")
        elif line.strip():
            if len(cells) < 2:
                raise ValueError(f"{place}: {line!r}; onset, offset and text are accepted, separated by tabs")
            # some versions write the decimal separator of the system language
            onset, offset = (cell.replace(",", ".") for cell in cells[:2])
            yield parse_region(place, recording, onset, offset, "".join(cells[2:]))
        previous = line.strip()


def write(regions: Iterable[Region], target: Path) -> None:
    """Writes a folder with one label file per recording."""
    for recording, events in events_by_recording(regions).items():
        lines = (f"{format_seconds(e.onset_s)}\t{format_seconds(e.offset_s)}\t{e.caption}\n" for e in events)
        annotation_path(target, recording, ENDING).write_text("".join(lines), encoding="utf-8", newline="\n")
