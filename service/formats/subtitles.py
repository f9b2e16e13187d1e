"""Subtitles that show each query while it is heard: WebVTT and SubRip."""

import re
from html import escape

from service.formats.document import Detection, Document

_LONG_ARROW = re.compile("--+>")


def as_webvtt(document: Document) -> str:
    """Renders WebVTT (https://www.w3.org/TR/webvtt1/), with one cue for each segment."""
    cues = (
        f"{number}\n{_times(each, '.')}\n{escape(each.label, quote=False)}\n\n"
        for number, each in enumerate(document.by_time, start=1)
    )
    return "WEBVTT\n\n" + "".join(cues)


def as_srt(document: Document) -> str:
    """Renders SubRip, with one subtitle for each segment."""
    return "".join(
        f"{number}\n{_times(each, ',')}\n{_LONG_ARROW.sub('->', each.label)}\n\n"  # an arrow would be a line of times
        for number, each in enumerate(document.by_time, start=1)
    )


def _times(detection: Detection, mark: str) -> str:
    """The times of a segment; it lasts at least 1 ms, because players drop shorter ones."""
    onset_ms, offset_ms = round(1000 * detection.onset_s), round(1000 * detection.offset_s)
    return f"{_time(onset_ms, mark)} --> {_time(max(offset_ms, onset_ms + 1), mark)}"


def _time(milliseconds: int, mark: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{milliseconds:03d}"
