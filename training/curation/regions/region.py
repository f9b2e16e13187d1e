"""The region of a recording with its caption, and its conversion from text. Every error names file and line."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from training.data.example import CaptionedEvent


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of a recording that an annotator captioned.

    Attributes:
        recording: path of the recording relative to the folder of all recordings, with `/` as separator.
        event: onset, offset and caption.

    Raises:
        ValueError: The recording has no name, or its name contains a tab or a line break or leads out of its folder.
    """

    recording: str
    event: CaptionedEvent

    def __post_init__(self) -> None:
        is_single_cell = self.recording.splitlines() == [self.recording] and not {"\t", "\0"} & set(self.recording)
        if not is_single_cell or {"", ".", ".."} & set(self.recording.split("/")):
            raise ValueError(f"recording {self.recording!r}; a relative path in one line, without '..', is accepted")


def single_line(text: str) -> str:
    """Replaces every run of white space by one space, since the tab-separated formats cannot hold tabs and line breaks."""
    return " ".join(text.split())


def parse_region(place: str, recording: str, onset: str | float, offset: str | float, caption: str) -> Region:
    """Makes a region from the cells of an annotation file.

    Args:
        place: the file and the line, for error messages.
        recording: path of the recording.
        onset: start of the region, in seconds.
        offset: end of the region, in seconds.
        caption: text of the region.

    Raises:
        ValueError: A time is not a number, or the event or the path of the recording is invalid.
    """
    try:
        return Region(recording, CaptionedEvent(float(onset), float(offset), single_line(caption)))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def read_text(file: Path) -> str:
    """Reads a UTF-8 text file, with or without a byte order mark, and converts its line ends to `\\n`.

    Raises:
        ValueError: The file is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from error


def format_seconds(time_s: float) -> str:
    """Formats a time so that every program can read it: without exponent, and without loss of digits."""
    return f"{Decimal(repr(time_s)):f}"


def events_by_recording(regions: Iterable[Region]) -> dict[str, list[CaptionedEvent]]:
    """Groups the events of regions by recording, in their order."""
    events: dict[str, list[CaptionedEvent]] = {}
    for region in regions:
        events.setdefault(region.recording, []).append(region.event)
    return events
