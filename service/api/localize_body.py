"""The bodies that POST /localize accepts: a multipart form, a urlencoded form, a JSON object, or the audio itself."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from service.api.body import declared_bytes
from service.api.form import Form, FormLimits, check_not_encoded, open_form
from service.api.localize_form import NUMBERS, REPEATABLE
from service.api.text_fields import JSON, URLENCODED, json_fields, read_fields, urlencoded_fields
from service.api.uploaded_file import UploadedFile
from service.core.errors import AudioTooLarge
from service.core.request_errors import FieldsTooLarge

AUDIO_TYPES = ("audio/*", "video/*", "application/ogg", "application/octet-stream")
"""Media types of bodies that are the audio itself; the fields are then in the query string of the URL."""
_BYTES_PER_ESCAPED = 6  # a byte is %20 in a form, and a character can be \u0020 in JSON


@asynccontextmanager
async def open_body(request: Request, limits: FormLimits, body: AsyncIterator[bytes]) -> AsyncGenerator[Form]:
    """Reads the body and the URL of a request, and deletes its file at the end of the block.

    The fields that the URL has are added to those of the body. Other names in the URL are refused if the body is audio,
    because the URL is then the only place of the fields, and are ignored otherwise.

    Args:
        request: The request, whose headers and URL are read.
        limits: The fields that are accepted, and their limits.
        body: The body of the request, in pieces as they arrive.

    Raises:
        RequestError: If the body or the URL cannot be read.
        AudioTooLarge: If the audio is too large.
        TemporarySpaceFull: If the audio cannot be written to the disk.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_audio = media_type.partition("/")[0] in ("audio", "video") or media_type in AUDIO_TYPES
    query_string = urlencoded_fields(request.scope["query_string"])
    known = (limits.file_field, *limits.text_fields)
    in_url = read_fields((field for field in query_string if is_audio or field[0] in known), limits)
    if is_audio or media_type in (URLENCODED, JSON):
        check_not_encoded(request)
    if is_audio:
        if declared_bytes(request.headers) > limits.max_file_bytes:
            raise AudioTooLarge(limits.max_file_bytes)
        file = UploadedFile(limits.max_file_bytes, limits.memory)
        try:
            async for piece in body:
                file.add(piece)
                await file.write_if_needed()
            yield Form(file.complete(), in_url)
        finally:
            file.close()
    elif media_type in (URLENCODED, JSON):
        content = await _read(body, limits)
        fields = urlencoded_fields(content) if media_type == URLENCODED else json_fields(content, NUMBERS, REPEATABLE)
        yield Form(None, _joined(in_url, read_fields(fields, limits)))
    else:
        async with open_form(request, limits, body) as form:
            yield Form(form.file, _joined(in_url, form.texts))


async def _read(body: AsyncIterator[bytes], limits: FormLimits) -> bytes:
    """Reads a body of text fields.

    Raises:
        FieldsTooLarge: If the body is larger than all accepted fields together.
    """
    limit_bytes = _BYTES_PER_ESCAPED * limits.max_fields * limits.max_text_bytes
    content = bytearray()
    async for piece in body:
        content += piece
        if len(content) > limit_bytes:
            raise FieldsTooLarge(limit_bytes)
    return bytes(content)


def _joined(first: dict[str, list[str]], second: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: first.get(name, []) + second.get(name, []) for name in {**first, **second}}
