"""A recording with its captions and events: the type to which every data set is converted."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class CaptionedEvent:
    """An event: `caption` describes a sound in the interval [onset_s, offset_s) of a recording, in seconds.

    Raises:
        ValueError: The onset is negative, the offset is not after the onset or not finite, or the caption is blank.
    """

    onset_s: float
    offset_s: float
    caption: str

    def __post_init__(self) -> None:
        if not 0 <= self.onset_s < self.offset_s < float("inf"):
            raise ValueError(f"event from {self.onset_s} s to {self.offset_s} s; 0 <= onset < offset is accepted")
        if not self.caption.strip():
            raise ValueError(f"event from {self.onset_s} s to {self.offset_s} s has no caption")


@dataclass(frozen=True, slots=True)
class Example:
    """A recording of a data set.

    Attributes:
        path: the audio file.
        split: one of SPLITS.
        captions: captions that describe the whole recording; may be empty.
        events: annotated events; may be empty.

    Raises:
        ValueError: The split is not one of SPLITS.
    """

    path: Path
    split: str
    captions: tuple[str, ...] = ()
    events: tuple[CaptionedEvent, ...] = ()

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"{self.path}: split is {self.split!r}; one of {', '.join(SPLITS)} is accepted")


def merge_touching(events: Iterable[CaptionedEvent]) -> tuple[CaptionedEvent, ...]:
    """Merges events with the same caption that touch or overlap, and sorts the result by onset."""
    merged: dict[str, list[CaptionedEvent]] = {}
    for event in sorted(events, key=lambda e: (e.onset_s, e.offset_s)):
        same = merged.setdefault(event.caption, [])
        if same and event.onset_s <= same[-1].offset_s:
            same[-1] = replace(same[-1], offset_s=max(same[-1].offset_s, event.offset_s))
        else:
            same.append(event)
    return tuple(sorted(itertools.chain.from_iterable(merged.values()), key=lambda e: (e.onset_s, e.offset_s)))
