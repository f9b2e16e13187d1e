"""Reader of multipart forms with one file: checks the limits while the body arrives, and spools the file to disk.

Starlette's form reader does not limit file parts, and decodes text that is not UTF-8 as Latin-1.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.api.body import declared_bytes
from service.api.preamble import PreambleSkipper
from service.api.uploaded_file import UploadedFile, UploadMemory
from service.core.errors import AudioTooLarge
from service.core.request_errors import (
    FieldKindWrong,
    FieldNotUtf8,
    FieldRepeated,
    FieldTooLarge,
    FieldUnknown,
    FormMalformed,
    NotAForm,
    TooManyFields,
)

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_PART_OVERHEAD_BYTES = 16 << 10  # above the parser's limit for the headers of one part
_MAX_SHOWN_CHARS = 64
_EXTENDED_FILE_NAME = re.compile(rb";\s*filename\*\s*=", re.IGNORECASE)  # RFC 5987; the parser leaves it out


@dataclass(frozen=True, slots=True)
class FormLimits:
    """The fields that a form may have, and their limits.

    Attributes:
        file_field: Name of the only file field.
        text_fields: Names of the text fields, which may be repeated.
        max_file_bytes: Maximum size of the file.
        max_text_bytes: Maximum size of one text.
        max_fields: Maximum number of fields; each repetition counts.
        memory: Memory that all uploads share.
    """

    file_field: str
    text_fields: tuple[str, ...]
    max_file_bytes: int
    max_text_bytes: int
    max_fields: int
    memory: UploadMemory = field(default_factory=UploadMemory, compare=False)

    @property
    def max_body_bytes(self) -> int:
        """Maximum size of the whole body, with room for boundaries and part headers."""
        return self.max_file_bytes + self.max_fields * (self.max_text_bytes + _PART_OVERHEAD_BYTES)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was received completely.

    Attributes:
        file: The file, at its first byte; None if the form has no file.
        texts: Values of each text field by its name, in the order of arrival.
    """

    file: BinaryIO | None
    texts: dict[str, list[str]]


@asynccontextmanager
async def open_form(request: Request, limits: FormLimits, body: AsyncIterator[bytes]) -> AsyncGenerator[Form]:
    """Reads the form of a request, and deletes its file at the end of the block.

    Args:
        request: The request, whose headers are read.
        limits: The fields that the form may have, and their limits.
        body: The body of the request, in pieces as they arrive.

    Raises:
        NotAForm: If the body has another media type.
        FormMalformed: If the body is not valid multipart/form-data, or is incomplete.
        FieldUnknown, FieldRepeated, FieldKindWrong, FieldNotUtf8, FieldTooLarge, TooManyFields: If a field is not
            accepted.
        AudioTooLarge: If the file is too large; before the body is read if Content-Length declares too many bytes.
        TemporarySpaceFull: If the file cannot be written to the disk.
    """
    boundary = _boundary(request)
    if declared_bytes(request.headers) > limits.max_body_bytes:
        raise AudioTooLarge(limits.max_file_bytes)
    builder = _FormBuilder(limits)
    try:
        await _feed(body, boundary, builder)
        yield builder.form()
    finally:
        builder.close()


def check_not_encoded(request: Request) -> None:
    """Checks that a body is sent as it is.

    Raises:
        FormMalformed: If the body has a Content-Encoding.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise FormMalformed(f"Content-Encoding is {encoding[:_MAX_SHOWN_CHARS]}; only identity is accepted")


def _boundary(request: Request) -> bytes:
    check_not_encoded(request)
    content_type = request.headers.get("content-type", "")
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        raise NotAForm(content_type[:_MAX_SHOWN_CHARS] or "missing")
    if not options.get(b"boundary"):
        raise FormMalformed("Content-Type has no boundary")
    return options[b"boundary"]


@lru_cache(maxsize=64)  # all query parts of a form have the same header
def _parse_disposition(header: bytes) -> tuple[str | None, bool]:
    """The name of a part, None if it has none, and whether the part is a file with a name."""
    _, options = parse_options_header(header)
    name = options[b"name"].decode(errors="replace") if b"name" in options else None
    return name, b"filename" in options or bool(_EXTENDED_FILE_NAME.search(header))


async def _feed(body: AsyncIterator[bytes], boundary: bytes, builder: "_FormBuilder") -> None:
    try:
        parser, preamble = MultipartParser(boundary, builder.callbacks()), PreambleSkipper(boundary)
        n_bytes = 0
        async for chunk in body:
            n_bytes += len(chunk)
            if n_bytes > builder.limits.max_body_bytes:
                raise AudioTooLarge(builder.limits.max_file_bytes)
            parser.write(preamble.skip(chunk))
            if builder.file:
                await builder.file.write_if_needed()
    except FormParserError as error:
        raise FormMalformed("a boundary or a part header is malformed") from error


@dataclass(slots=True)
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    header_name: bytes = b""
    header_value: bytes = b""
    name: str = ""
    text: bytearray | None = None


@dataclass(slots=True)
class _FormBuilder:
    """Builds a `Form` from the events of the multipart parser."""

    limits: FormLimits
    file: UploadedFile | None = None
    _part: _Part = field(default_factory=_Part)
    _texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _n_fields: int = 0
    _complete: bool = False

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._open_part,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._finish,
        }

    def form(self) -> Form:
        if not self._complete:
            raise FormMalformed("the body ends before the final boundary")
        return Form(self.file.complete() if self.file else None, self._texts)

    def close(self) -> None:
        if self.file:
            self.file.close()

    def _begin_part(self) -> None:
        self._part = _Part()
        self._n_fields += 1
        if self._n_fields > self.limits.max_fields:
            raise TooManyFields(self.limits.max_fields)

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _end_header(self) -> None:
        self._part.headers[self._part.header_name.lower()] = self._part.header_value
        self._part.header_name = self._part.header_value = b""

    def _open_part(self) -> None:
        disposition = self._part.headers.get(b"content-disposition", b"")
        name, is_file = _parse_disposition(disposition)
        if name is None:
            raise FormMalformed("a part has no name in its Content-Disposition")
        self._part.name = name
        if name == self.limits.file_field:
            self._open_file(is_file=is_file or b"content-type" in self._part.headers)
        elif name not in self.limits.text_fields:
            raise FieldUnknown(name[:_MAX_SHOWN_CHARS], ", ".join((self.limits.file_field, *self.limits.text_fields)))
        elif is_file:
            raise FieldKindWrong(name, "a file", f"text (with curl: -F {name}=...)")
        else:
            self._part.text = bytearray()

    def _open_file(self, is_file: bool) -> None:
        name = self._part.name
        if not is_file:
            raise FieldKindWrong(name, "text", f"a file (with curl: -F {name}=@clip.wav)")
        if self.file:
            raise FieldRepeated(name)
        self.file = UploadedFile(self.limits.max_file_bytes, self.limits.memory)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        text = self._part.text
        if text is not None:
            if len(text) + end - start > self.limits.max_text_bytes:
                raise FieldTooLarge(self._part.name, self.limits.max_text_bytes)
            text += data[start:end]
            return
        if self.file:
            self.file.add(data[start:end])

    def _end_part(self) -> None:
        if self._part.text is None:
            return
        try:
            text = self._part.text.decode()
        except UnicodeDecodeError as error:
            raise FieldNotUtf8(self._part.name) from error
        self._texts.setdefault(self._part.name, []).append(text)

    def _finish(self) -> None:
        self._complete = True
