"""Fields of a request that come as text: in the URL, as a urlencoded form, or as a JSON object."""

import json
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from service.api.form import FormLimits
from service.core.errors import ParameterInvalid
from service.core.request_errors import (
    FieldKindWrong,
    FieldNotUtf8,
    FieldRepeated,
    FieldTooLarge,
    FieldUnknown,
    FormMalformed,
    TooManyFields,
)

URLENCODED = "application/x-www-form-urlencoded"
JSON = "application/json"
_MAX_SHOWN_CHARS = 64
_A_FILE = "a file (with curl: -F audio=@clip.wav), or a body with Content-Type: audio/wav"
_BINARY = "it is binary; accepted as audio with Content-Type: audio/wav or multipart/form-data (with curl: -F audio=@clip.wav)"

Fields = Iterator[tuple[str, bytes]]


def read_fields(fields: Fields, limits: FormLimits) -> dict[str, list[str]]:
    """Checks fields as those of a multipart form are checked.

    Args:
        fields: Names and values, in order; a name can be repeated.
        limits: The fields that are accepted, and their limits.

    Returns:
        The values of each field by its name, in order.

    Raises:
        FieldUnknown, FieldKindWrong, FieldNotUtf8, FieldTooLarge, TooManyFields: If a field is not accepted.
    """
    texts: dict[str, list[str]] = {}
    for number, (name, value) in enumerate(fields, start=1):
        if number > limits.max_fields:
            raise TooManyFields(limits.max_fields)
        if name == limits.file_field:
            raise FieldKindWrong(name, "text", _A_FILE)
        if name not in limits.text_fields:
            raise FieldUnknown(name[:_MAX_SHOWN_CHARS], ", ".join((limits.file_field, *limits.text_fields)))
        if len(value) > limits.max_text_bytes:
            raise FieldTooLarge(name, limits.max_text_bytes)
        try:
            texts.setdefault(name, []).append(value.decode())
        except UnicodeDecodeError as error:
            raise FieldNotUtf8(name) from error
    return texts


def urlencoded_fields(content: bytes) -> Fields:
    """Yields the fields of a urlencoded form, or of the query string of a URL.

    Raises:
        FormMalformed: If the content is binary.
    """
    if any(byte < 0x20 and byte not in b"\r\n\t" for byte in content):
        raise FormMalformed(_BINARY, URLENCODED)
    for item in content.strip(b"\r\n").split(b"&"):
        name, _, value = item.replace(b"+", b" ").partition(b"=")
        if item:
            yield unquote_to_bytes(name).decode(errors="replace"), unquote_to_bytes(value)


def json_fields(content: bytes, numbers: tuple[str, ...], repeatable: tuple[str, ...] = ("query",)) -> Fields:
    """Yields the fields of a JSON object: texts, numbers, and texts or lists of texts.

    Args:
        content: JSON in UTF-8.
        numbers: Names of the members that are numbers.
        repeatable: Names of the members that are a text or a list of texts.

    Raises:
        FormMalformed: If the content is not a JSON object.
        FieldRepeated: If a member is repeated.
        ParameterInvalid: If a member has another type.
    """
    try:
        document = json.loads(content.decode(), object_pairs_hook=_Members, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FormMalformed(str(error)[:_MAX_SHOWN_CHARS], JSON) from error
    if not isinstance(document, _Members):
        raise FormMalformed("it is not an object with the fields as members", JSON)
    names: set[str] = set()
    for name, value in document:
        if name in names:
            raise FieldRepeated(name[:_MAX_SHOWN_CHARS])
        names.add(name)
        values = cast(list[Any], value) if name in repeatable and type(value) is list else [value]
        for item in values:
            yield name, _json_text(name, item, numbers, repeatable).encode(errors="surrogatepass")


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object in order; a name can be repeated."""


def _json_text(name: str, value: object, numbers: tuple[str, ...], repeatable: tuple[str, ...]) -> str:
    if name in numbers:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return repr(value)
        accepted = "a number; leave the member out for the default"
    elif isinstance(value, str):
        return value
    else:
        accepted = "a text or a list of texts" if name in repeatable else "a text"
    raise ParameterInvalid(name[:_MAX_SHOWN_CHARS], _json_type(value), accepted)


def _json_type(value: object) -> str:
    for kind, name in ((type(None), "null"), (bool, "true or false"), (str, "a text"), (_Members, "an object")):
        if isinstance(value, kind):
            return name
    return "a list" if isinstance(value, list) else "a number"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
