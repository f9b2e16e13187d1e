"""Reading of a manifest's JSON objects as dataclasses, and writing, with errors that name the field."""

import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar, cast, get_args

from service.core.bundle_errors import ManifestInvalid
from service.core.errors import ParameterInvalid

MAX_TEXT_CHARS = 10_000
_Dataclass = TypeVar("_Dataclass")

MAX_SHOWN_CHARS = 100
_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = MAX_SHOWN_CHARS


def require(holds: bool, name: str, came: object, accepted: str) -> None:
    """Raises `ManifestInvalid` with a short form of `name` and `came`, which come from the document, unless `holds`."""
    if not holds:
        field = name if name.isprintable() and len(name) <= _shown.maxstring else _shown.repr(name)
        raise ManifestInvalid(field, _shown.repr(came), accepted)


def read_document(document: Any, kind: type[_Dataclass], prefix: str = "") -> _Dataclass:
    """Reads a JSON object as a dataclass, whose construction checks the ranges of its fields.

    Args:
        document: The object. It has the fields of the dataclass and no others; fields with a default may be missing.
        kind: The dataclass.
        prefix: What the names of the fields begin with in errors.

    Raises:
        ManifestInvalid: If a field is missing, unknown, of another type or outside its range.
    """
    require(isinstance(document, dict), prefix.rstrip(".") or "the document", document, "a JSON object")
    known = {field.name: field for field in fields(cast(Any, kind))}
    for name in document:
        require(name in known, f"{prefix}{name}", document[name], f"no such field; known: {', '.join(known)}")
    for name, field in known.items():
        if name not in document and not _is_optional(field):
            raise ManifestInvalid(f"{prefix}{name}", "missing", "a value")
    values = {name: _read(value, f"{prefix}{name}", known[name].type) for name, value in document.items()}
    try:
        return kind(**values)
    except ParameterInvalid as error:
        raise ManifestInvalid(f"{prefix}{error.name}", error.came[:MAX_SHOWN_CHARS], error.accepted) from error


def to_document(value: Any) -> Any:
    """The JSON object of a dataclass, without the fields that have their default."""
    if not is_dataclass(value):
        return value
    present = {field.name: getattr(value, field.name) for field in fields(value)}
    return {
        field.name: to_document(present[field.name])
        for field in fields(value)
        if not (_is_optional(field) and present[field.name] == field.default)
    }


def _is_optional(field: "Field[Any]") -> bool:
    return field.default is not MISSING


def _read(value: Any, name: str, kind: Any) -> Any:
    if group := next((option for option in (kind, *get_args(kind)) if is_dataclass(option)), None):
        return read_document(value, cast(type[Any], group), f"{name}.")
    if kind is int:
        require(type(value) is int, name, value, "an integer")
        return value
    if kind is float:
        require(type(value) in (int, float), name, value, "a number")
        try:
            return float(value)
        except OverflowError as error:
            raise ManifestInvalid(name, _shown.repr(value), "a number") from error
    if kind == tuple[str, ...]:
        require(isinstance(value, list), name, value, "a list of texts")
        return tuple(_read(item, f"{name}[{index}]", str) for index, item in enumerate(value))
    if kind == Mapping[str, str]:
        require(isinstance(value, dict), name, value, "an object of texts")
        return {key: _read(item, f"{name}[{key}]", str) for key, item in value.items()}
    require(isinstance(value, str) and value.strip() != "", name, value, "a text that is not empty")
    require(len(value) <= MAX_TEXT_CHARS, name, value, f"at most {MAX_TEXT_CHARS} characters")
    require(_is_unicode(value), name, value, "Unicode text")
    return value


def _is_unicode(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which JSON can contain and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
