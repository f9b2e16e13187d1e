r"""Audacity's label tracks, one file a recording: lines of onset, offset and text, separated by tabs.

A line that begins with a backslash holds the frequency range of the label above it, which is not read: a caption tells
when, not where in the spectrum. Described in Audacity's manual under "Importing and Exporting Labels".
"""

from collections.abc import Iterable
from pathlib import Path

from training.curation.regions.folders import annotation_file, annotation_files
from training.curation.regions.region import Region, by_recording, read_region, read_text, seconds

ENDING = ".txt"


def read(source: Path, extension: str = "") -> list[Region]:
    """The labels of a file, or of all files in a folder.

    Raises:
        ValueError: a line is no label, has no text, or marks a point and not a region.
    """
    return [
        region
        for file, recording in annotation_files(source, (ENDING,), extension)
        for region in _read_file(file, recording)
    ]


def _read_file(file: Path, recording: str) -> Iterable[Region]:
    above = ""
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        cells, place = line.split("\t", 2), f"{file}, line {number}"
        if line.startswith("\\"):
            if len(cells) != 3 or not above:
                raise ValueError(
                    f"{place}: {line!r}; a frequency range, below a label, has two numbers after its backslash"
                )
        elif line.strip():
            if len(cells) < 2:
                raise ValueError(f"{place}: {line!r}; onset, offset and text are accepted, separated by tabs")
            # some versions write times as the computer's language does
            onset, offset = (cell.replace(",", ".") for cell in cells[:2])
            yield read_region(place, recording, onset, offset, "".join(cells[2:]))
        above = line.strip()


def write(regions: Iterable[Region], target: Path) -> None:
    """Writes a folder with a label file for each recording."""
    for recording, events in by_recording(regions).items():
        lines = (f"{seconds(e.onset_s)}\t{seconds(e.offset_s)}\t{e.caption}\n" for e in events)
        annotation_file(target, recording, ENDING).write_text("".join(lines), encoding="utf-8", newline="\n")
