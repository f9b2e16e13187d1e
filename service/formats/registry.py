"""The formats of an answer by name, and the choice of a format by an Accept header."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from service.formats.annotations import as_jams
from service.formats.document import Document
from service.formats.subtitles import as_srt, as_webvtt
from service.formats.tables import as_audacity, as_csv, as_dcase, as_raven

FormatName = Literal["json", "ndjson", "csv", "dcase", "audacity", "raven", "webvtt", "srt", "jams"]
TableName = Literal["csv", "dcase", "audacity", "raven", "webvtt", "srt", "jams"]
_TSV = "text/tab-separated-values"


@dataclass(frozen=True, slots=True)
class Format:
    """A format of an answer.

    Attributes:
        name: Value of the form field `format`.
        media_type: Media type, without parameters.
        meaning: What the format is, for people.
        profile: Parameter `profile` of the media type, which tells formats with the same media type apart.
    """

    name: FormatName
    media_type: str
    meaning: str
    profile: str = ""

    @property
    def content_type(self) -> str:
        """Value of the Content-Type header."""
        profile = f"; profile={self.profile}" if self.profile else ""
        return self.media_type + profile + ("; charset=utf-8" if self.media_type.startswith("text/") else "")


FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format("json", "application/json", "the answer with its curves"),
        Format("ndjson", "application/x-ndjson", "one line of JSON for each query, with its curves"),
        Format("csv", "text/csv", "one row for each segment"),
        Format("dcase", _TSV, "the event list of the DCASE challenges", "dcase"),
        Format("audacity", _TSV, "a label track for Audacity", "audacity"),
        Format("raven", _TSV, "a selection table for Raven", "raven"),
        Format("webvtt", "text/vtt", "subtitles for web pages"),
        Format("srt", "application/x-subrip", "subtitles for players"),
        Format("jams", "application/vnd.jams+json", "annotations for research tools"),
    )
}
"""Where an Accept header leaves a choice, the first of these formats is taken."""

_ANY_FORMAT = ("", "*/*")
"""Headers of most clients, which leave the choice of the format."""
_WRITERS: Mapping[str, Callable[[Document], str]] = {
    "csv": as_csv,
    "dcase": as_dcase,
    "audacity": as_audacity,
    "raven": as_raven,
    "webvtt": as_webvtt,
    "srt": as_srt,
    "jams": as_jams,
}


def render(name: TableName, document: Document) -> str:
    """Renders a document in a format that has no curves."""
    return _WRITERS[name](document)


def negotiate(accept: str) -> Format:
    """Chooses the format by an Accept header (RFC 9110, 12.5.1).

    The most specific range that covers a format gives its quality. JSON is the answer if the header is empty or accepts
    none of the formats, as RFC 9110 allows.

    >>> [negotiate(accept).name for accept in ("text/csv", "*/*", "text/vtt;q=0.5, text/csv;q=0.4", "image/png")]
    ['csv', 'json', 'webvtt', 'json']
    """
    if accept in _ANY_FORMAT:
        return FORMATS["json"]
    ranges = [_read_range(item) for item in accept.lower().split(",") if item.strip()]
    best, best_quality = FORMATS["json"], 0.0
    for each in FORMATS.values():
        matches = [(specificity, quality) for specificity, quality in (_match(each, *item) for item in ranges)]
        quality = max(matches, default=(0, 0.0))[1]
        if quality > best_quality:
            best, best_quality = each, quality
    return best


def _read_range(item: str) -> tuple[str, dict[str, str], float]:
    """The media range, its parameters, and its quality."""
    media_range, *rest = (part.strip() for part in item.split(";"))
    parameters = {
        name.strip(): value.strip().strip('"')
        for name, _, value in (part.partition("=") for part in rest)
        if name.strip()
    }
    try:
        quality = min(max(float(parameters.pop("q", "1")), 0.0), 1.0)
    except ValueError:
        quality = 0.0
    parameters.pop("charset", None)
    return media_range, parameters, quality


def _match(offered: Format, media_range: str, parameters: dict[str, str], quality: float) -> tuple[int, float]:
    """How specifically a range covers a format, 0 if not at all, and the quality."""
    kind = offered.media_type.partition("/")[0]
    if media_range == offered.media_type:
        if parameters not in ({}, {"profile": offered.profile}):
            return 0, 0.0
        return 3 + len(parameters), quality
    if media_range == f"{kind}/*":
        return 2, quality
    return (1, quality) if media_range == "*/*" else (0, 0.0)
