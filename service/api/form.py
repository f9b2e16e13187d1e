"""Reader of multipart forms with one file: checks the limits while the body arrives, and spools the file to disk.

Starlette's form reader does not limit file parts, and decodes text that is not UTF-8 as Latin-1.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

import anyio.to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.core.errors import (
    AudioTooLarge,
    FieldKindWrong,
    FieldNotUtf8,
    FieldRepeated,
    FieldTooLarge,
    FieldUnknown,
    FormMalformed,
    NotAForm,
    TooManyFields,
)
from service.temporary_space import storage_errors

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_IN_MEMORY_BYTES = 1 << 20
_PART_OVERHEAD_BYTES = 16 << 10  # above the parser's limit for the headers of one part
_MAX_SHOWN_CHARS = 64


@dataclass(frozen=True, slots=True)
class FormLimits:
    """The fields that a form may have, and their limits.

    Attributes:
        file_field: Name of the only file field.
        text_fields: Names of the text fields, which may be repeated.
        max_file_bytes: Maximum size of the file.
        max_text_bytes: Maximum size of one text.
        max_fields: Maximum number of fields; each repetition counts.
    """

    file_field: str
    text_fields: tuple[str, ...]
    max_file_bytes: int
    max_text_bytes: int
    max_fields: int

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
    if declared_bytes(request) > limits.max_body_bytes:
        raise AudioTooLarge(limits.max_file_bytes)
    builder = _FormBuilder(limits)
    try:
        await _feed(body, boundary, builder)
        yield builder.form()
    finally:
        builder.close()


def declared_bytes(request: Request) -> int:
    """Size of a body according to its Content-Length header, which may be wrong; 0 without this header."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


def _boundary(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise FormMalformed(f"Content-Encoding is {encoding[:_MAX_SHOWN_CHARS]}; only identity is accepted")
    content_type = request.headers.get("content-type", "")
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        raise NotAForm(content_type[:_MAX_SHOWN_CHARS] or "missing")
    if not options.get(b"boundary"):
        raise FormMalformed("Content-Type has no boundary")
    return options[b"boundary"]


@lru_cache(maxsize=64)  # all query parts of a form have the same header
def _parse_disposition(header: bytes) -> Mapping[bytes, bytes]:
    _, options = parse_options_header(header)
    return options


async def _feed(body: AsyncIterator[bytes], boundary: bytes, builder: "_FormBuilder") -> None:
    try:
        parser = MultipartParser(boundary, builder.callbacks())
        n_bytes = 0
        async for chunk in body:
            n_bytes += len(chunk)
            if n_bytes > builder.limits.max_body_bytes:
                raise AudioTooLarge(builder.limits.max_file_bytes)
            parser.write(chunk)
            if builder.unwritten_bytes >= _IN_MEMORY_BYTES:
                await anyio.to_thread.run_sync(builder.write_out)
    except FormParserError as error:
        raise FormMalformed("a boundary or a part header is malformed") from error
    builder.write_out()


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
    unwritten_bytes: int = 0
    _part: _Part = field(default_factory=_Part)
    _texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _file: BinaryIO | None = None
    _unwritten: list[bytes] = field(default_factory=list[bytes])
    _file_bytes: int = 0
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
        if self._file:
            self._file.seek(0)
        return Form(self._file, self._texts)

    def write_out(self) -> None:
        """Writes the buffered bytes to the file; may block, because the file can be on disk.

        Raises:
            TemporarySpaceFull: If the file cannot be written.
        """
        if self._file:
            with storage_errors():
                self._file.writelines(self._unwritten)
        self._unwritten, self.unwritten_bytes = [], 0

    def close(self) -> None:
        if self._file:
            with contextlib.suppress(OSError):  # bytes that could not be written are written once more
                self._file.close()

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
        options = _parse_disposition(self._part.headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise FormMalformed("a part has no name in its Content-Disposition")
        name = self._part.name = options[b"name"].decode(errors="replace")
        if name == self.limits.file_field:
            self._open_file(is_file=b"filename" in options or b"content-type" in self._part.headers)
        elif name not in self.limits.text_fields:
            raise FieldUnknown(name[:_MAX_SHOWN_CHARS], ", ".join((self.limits.file_field, *self.limits.text_fields)))
        elif b"filename" in options:
            raise FieldKindWrong(name, "a file", f"text (with curl: -F {name}=...)")
        else:
            self._part.text = bytearray()

    def _open_file(self, is_file: bool) -> None:
        name = self._part.name
        if not is_file:
            raise FieldKindWrong(name, "text", f"a file (with curl: -F {name}=@clip.wav)")
        if self._file:
            raise FieldRepeated(name)
        spooled = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `close`
        self._file = cast(BinaryIO, spooled)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        text = self._part.text
        if text is not None:
            if len(text) + end - start > self.limits.max_text_bytes:
                raise FieldTooLarge(self._part.name, self.limits.max_text_bytes)
            text += data[start:end]
            return
        self._file_bytes += end - start
        if self._file_bytes > self.limits.max_file_bytes:
            raise AudioTooLarge(self.limits.max_file_bytes)
        self._unwritten.append(data[start:end])
        self.unwritten_bytes += end - start

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
