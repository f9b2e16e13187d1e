"""A region of a recording with its caption, and how one is read from text: every error names file and line."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from training.data.example import CaptionedEvent


@dataclass(frozen=True, slots=True)
class Region:
    """An annotated event and the recording in which it is heard, as annotators name it: a relative path with `/`.

    Raises:
        ValueError: the recording has no name, or its name is not one line or leads out of its folder.
    """

    recording: str
    event: CaptionedEvent

    def __post_init__(self) -> None:
        one_cell = self.recording.splitlines() == [self.recording] and not {"\t", "\0"} & set(self.recording)
        if not one_cell or {"", ".", ".."} & set(self.recording.split("/")):
            raise ValueError(f"recording {self.recording!r}; a relative path in one line, without '..', is accepted")


def one_line(text: str) -> str:
    """Text without tabs and line breaks, which the tab-separated formats cannot hold, or any other doubled space."""
    return " ".join(text.split())


def read_region(place: str, recording: str, onset: str | float, offset: str | float, caption: str) -> Region:
    """A region from what stands at `place` (a file and its line); times in seconds.

    Raises:
        ValueError: a time is not a number, or the event or the recording's name is not accepted.
    """
    try:
        return Region(recording, CaptionedEvent(float(onset), float(offset), one_line(caption)))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def read_text(file: Path) -> str:
    """A text file with or without a byte order mark, its line ends made one kind.

    Raises:
        ValueError: it is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from error


def seconds(time_s: float) -> str:
    """A time as every program reads it: no exponent, and no digit lost."""
    return f"{Decimal(repr(time_s)):f}"


def by_recording(regions: Iterable[Region]) -> dict[str, list[CaptionedEvent]]:
    """The events of each recording, in the order in which they come."""
    events: dict[str, list[CaptionedEvent]] = {}
    for region in regions:
        events.setdefault(region.recording, []).append(region.event)
    return events
