"""The answer of POST /localize in the format that the client wants."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from service.answer import CurveFormat, Curves, document_of, encode_answer_in_parts, encode_lines
from service.core.localization import QueryResult
from service.core.manifest import Manifest
from service.engine.call import Call
from service.engine.interface import Localization
from service.formats.registry import FORMATS, Format, FormatName, negotiate, render


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """The format of an answer, and the curves in it.

    Attributes:
        format: The format.
        curves: Curves to include, in formats that have curves.
        curve_format: Encoding of the curves.
    """

    format: Format
    curves: Curves
    curve_format: CurveFormat

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response."""
        return {"Content-Type": self.format.content_type, "Vary": "Accept"}

    def parts(self, localization: Localization, manifest: Manifest, call: Call) -> Iterator[bytes]:
        """Yields the body of the answer in parts; a format without curves has one part.

        Args:
            localization: The result of the engine.
            manifest: The manifest of the model.
            call: The call, which is checked between results.
        """
        name = self.format.name
        if name == "json":
            yield from encode_answer_in_parts(localization, manifest, self.curves, self.curve_format)
        elif name == "ndjson":
            yield from encode_lines(localization, manifest, self.curves, self.curve_format)
        else:
            document = document_of(localization, manifest, localization.clip_id, _checked(localization, call))
            yield render(name, document).encode()


def chosen_format(name: FormatName | None, headers: Headers) -> Format:
    """The format that a request wants: by its field `format`, and otherwise by its Accept headers."""
    return FORMATS[name] if name else negotiate(",".join(headers.getlist("accept")))


def other_content() -> dict[str, Any]:
    """The media types of the answer beside JSON, for OpenAPI."""
    meanings: dict[str, list[str]] = {}
    for each in FORMATS.values():
        meanings.setdefault(each.media_type, []).append(f"`format={each.name}`: {each.meaning}")
    del meanings[FORMATS["json"].media_type]
    return {
        media_type: {"schema": {"type": _json_type(media_type), "description": "; ".join(lines)}}
        for media_type, lines in meanings.items()
    }


def _json_type(media_type: str) -> str:
    """Type of the parsed answer: clients parse the media types of JSON, and take the others as text."""
    return "object" if media_type.endswith("+json") else "string"


def _checked(localization: Localization, call: Call) -> Iterator[QueryResult]:
    for result in localization.results:
        call.check()
        yield result
