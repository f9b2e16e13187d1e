"""Text formats of an answer: a table for people, and all formats for other programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from service.formats.document import ResultLike
from service.formats.registry import FormatName, render

if TYPE_CHECKING:
    from service.core.manifest import Manifest
    from service.engine.interface import Localization

RULES = ("─", "-")
"""Characters that can draw the rule of a table; the last is in every encoding."""

_HEADER = ("query", "present", "score", "segments")


class ShownResult(ResultLike, Protocol):
    """A result of a query, of the model in this process or of a service."""

    @property
    def present(self) -> bool:
        """Whether the query is heard."""
        ...

    @property
    def clip_score(self) -> float:
        """Highest score in the clip."""
        ...


def title(name: str, duration_s: float, model: str) -> str:
    """The first line of a table: the recording, its length, and the model."""
    return f"{one_line(name)}, {duration_s:.2f} s, heard by {model}"


def as_table(results: Sequence[ShownResult], title: str, rule_character: str = RULES[0]) -> str:
    """Renders a table for people, with one line per segment."""
    rows = [_HEADER] + [row for result in results for row in _rows(result)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    rule = "  ".join(rule_character * width for width in widths)
    return "\n".join([title, "", lines[0], rule, *lines[1:]]) + "\n"


def _rows(result: ShownResult) -> list[tuple[str, ...]]:
    """The table rows of a query: the first row holds the query and its first segment, further rows one segment each."""
    query = one_line(result.query)
    if not result.segments:
        return [(query, "no", f"{result.clip_score:.2f}", "-")]
    cells = [
        f"{segment.onset_s:8.2f} to {segment.offset_s:8.2f} s  score {segment.score:.2f}" for segment in result.segments
    ]
    present = "yes" if result.present else "no"  # a long clip can have segments that chance explains
    first_row = (query, present, f"{result.clip_score:.2f}", cells[0])
    return [first_row, *(("", "", "", cell) for cell in cells[1:])]


def one_line(text: str) -> str:
    """Text on one line, without characters that control a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))


def as_text(form: FormatName, localization: "Localization", manifest: "Manifest", name: str) -> str:
    """Renders an answer for programs: JSON with both curves, NDJSON without curves, or another format.

    Args:
        form: The format.
        localization: The result of the engine.
        manifest: The manifest of the model.
        name: Name of the clip.
    """
    from service.answer import document_of, encode_answer, encode_lines  # with packages that a client does not have

    if form == "json":
        return encode_answer(localization, manifest, "both").decode() + "\n"
    if form == "ndjson":
        return b"".join(encode_lines(localization, manifest, "none")).decode()
    return render(form, document_of(localization, manifest, name))
