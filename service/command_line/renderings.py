"""Text formats of an answer: a table for people; JSON, CSV and Audacity labels for other programs."""

import csv
import io
from dataclasses import fields

from service.answer import encode_answer, segment_values
from service.core.localization import QueryResult
from service.core.manifest import Manifest
from service.core.segments import Segment
from service.engine.interface import Localization

RULES = ("─", "-")
"""Characters that can draw the rule of a table; the last is in every encoding."""

_HEADER = ("query", "present", "score", "segments")


def as_table(localization: Localization, manifest: Manifest, name: str, rule_character: str = RULES[0]) -> str:
    """Renders a table for people, with one line per segment."""
    rows = [_HEADER] + [row for result in localization.results for row in _rows(result)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    rule = "  ".join(rule_character * width for width in widths)
    title = f"{_shown(name)}, {localization.duration_s:.2f} s, heard by {manifest.name} {manifest.version}"
    return "\n".join([title, "", lines[0], rule, *lines[1:]]) + "\n"


def _rows(result: QueryResult) -> list[tuple[str, ...]]:
    """The table rows of a query: the first row holds the query and its first segment, further rows one segment each."""
    query = _shown(result.query)
    if not result.segments:
        return [(query, "no", f"{result.clip_score:.2f}", "-")]
    cells = [
        f"{segment.onset_s:8.2f} to {segment.offset_s:8.2f} s  score {segment.score:.2f}" for segment in result.segments
    ]
    present = "yes" if result.present else "no"  # a long clip can have segments that chance explains
    first_row = (query, present, f"{result.clip_score:.2f}", cells[0])
    return [first_row, *(("", "", "", cell) for cell in cells[1:])]


def _shown(text: str) -> str:
    """Text on one line, without characters that control a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))


def as_json(localization: Localization, manifest: Manifest) -> str:
    """Renders the JSON of POST /localize, with both curves."""
    return encode_answer(localization, manifest, "both").decode() + "\n"


def as_csv(localization: Localization) -> str:
    """Renders CSV: a header and one row per segment."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["query", *(field.name for field in fields(Segment))])
    for result in localization.results:
        for segment in result.segments:
            writer.writerow([result.query, *segment_values(segment).values()])
    return file.getvalue()


def as_audacity(localization: Localization) -> str:
    """Renders a label track for Audacity (File, Import, Labels): tab-separated onset, offset, query; by time."""
    labels = sorted(
        (segment.onset_s, segment.offset_s, " ".join(result.query.split()))
        for result in localization.results
        for segment in result.segments
    )
    return "".join(f"{onset_s:.6f}\t{offset_s:.6f}\t{query}\n" for onset_s, offset_s, query in labels)
