"""The routes of the library and its recordings: GET /library, POST /library/clips, GET and DELETE of one recording, its audio."""

import json
import mimetypes
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, cast

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response
from starlette.responses import FileResponse

from service.api.access import audio_counter
from service.api.admission import ReceivedRequest
from service.api.body import declared_bytes, receive_body
from service.api.form import Form, FormLimits, open_form
from service.api.library_metrics import LibraryMetrics
from service.api.library_schemas import AddedRecordingOut, LibraryOut
from service.api.problem_examples import LOCALIZE_PROBLEMS, OTHER_PROBLEMS, problem_responses
from service.api.search_routes import Admissions, recording_out, warning_out
from service.api.workers import WorkerThreads
from service.core.errors import ParameterInvalid
from service.core.library_errors import LibraryAbsent
from service.core.request_errors import ClipUnclear, FieldRepeated
from service.engine.call import Call
from service.engine.clip import Upload
from service.engine.clip_warnings import warnings_from_bytes
from service.engine.interface import LocalizationEngine
from service.library.recording import Recording
from service.library.serving import ServedLibrary
from service.pace import Pace
from service.request_fields import add_request_fields

DESCRIPTION = """
Adds a recording to the library. The same bytes have the same id; if they are sent again, only the metadata changes.

```
curl -F audio=@owl.wav -F 'metadata={"site": "north", "year": 2026}' http://127.0.0.1:8000/library/clips
```
"""
MAX_METADATA_BYTES = 64 << 10
_RECORDING_ID = Path(description="The `id` of a recording of the library.", max_length=200)
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"description": "The library has no such recording, or the service has no library"},
    "default": OTHER_PROBLEMS,
}
_SAFE_TYPES = ("audio", "video")


def clip_form_limits(max_upload_bytes: int) -> FormLimits:
    """Limits of the form of POST /library/clips."""
    return FormLimits("audio", ("metadata",), max_upload_bytes, MAX_METADATA_BYTES, 8)


class ClipRoutes:
    """Handlers of the routes of the library and its recordings.

    Args:
        engine: The engine, which embeds recordings.
        library: The library of the service; None if it has none.
        admissions: Admission control, and the lanes in which admitted requests wait for their turn.
        pace: Deadline of requests, and the speed that clients must keep.
        limits: Limits of the form of a recording.
        metrics: Metrics of the library.
    """

    def __init__(
        self,
        engine: LocalizationEngine,
        library: ServedLibrary | None,
        admissions: Admissions,
        pace: Pace,
        limits: FormLimits,
        metrics: LibraryMetrics,
    ) -> None:
        self._engine, self._served, self._pace, self._limits, self._metrics = engine, library, pace, limits, metrics
        self._admission, self._lanes = admissions.admission, admissions.lanes
        self._workers = WorkerThreads(self._lanes)

    def router(self) -> APIRouter:
        """A router with these routes."""
        router = APIRouter(tags=["library"])
        properties = {
            "audio": {"type": "string", "format": "binary", "description": "Audio file of the recording."},
            "metadata": {
                "type": "string",
                "description": "JSON object of texts and numbers by the name of the column.",
            },
        }
        form = {"type": "object", "properties": properties, "required": ["audio"]}
        router.add_api_route(
            "/library/clips",
            self.add_clip,
            methods=["POST"],
            summary="Add a recording to the library",
            description=DESCRIPTION,
            status_code=HTTPStatus.CREATED,
            response_model=AddedRecordingOut,
            responses=problem_responses([*LOCALIZE_PROBLEMS, LibraryAbsent()]),
            openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}},
        )
        router.add_api_route(
            "/library",
            self.get_library,
            summary="What is in the library?",
            responses={404: {"description": "The service has no library"}, "default": OTHER_PROBLEMS},
        )
        path = "/library/clips/{recording_id}"
        router.add_api_route(path, self.get_clip, summary="What is this recording?", responses=_UNKNOWN)
        router.add_api_route(
            path,
            self.remove_clip,
            methods=["DELETE"],
            summary="Remove a recording",
            status_code=204,
            responses=_UNKNOWN,
        )
        router.add_api_route(
            f"{path}/audio",
            self.get_audio,
            summary="The audio of a recording, also by ranges",
            response_class=FileResponse,
            responses=_UNKNOWN,
        )
        return router

    @property
    def _library(self) -> ServedLibrary:
        if self._served is None:
            raise LibraryAbsent
        return self._served

    async def get_library(self) -> LibraryOut:
        """Returns the size of the library and its columns of metadata, which `where` and `facets` of a search can name."""
        return await anyio.to_thread.run_sync(_library_out, self._library)

    async def add_clip(self, request: Request) -> AddedRecordingOut:
        """Embeds a recording and adds it to the library."""
        library, call = self._library, Call(self._pace.timeout_s, audio_counter(request.scope))
        with self._admission.receive(min(declared_bytes(request.headers), self._limits.max_body_bytes)) as received:
            async with open_form(request, self._limits, self._body(request, received, call)) as form:
                metadata, file = _read_metadata(form), form.file
                if file is None:
                    raise ClipUnclear("no audio")
                clip = Upload(file)
                n_windows = await anyio.to_thread.run_sync(self._engine.expected_windows, clip)
                with self._admission.work(received, n_windows), self._engine.batcher.expecting(call, n_windows):
                    recording = await self._workers.run(
                        request, call, lambda: self._add(library, clip, metadata, call), self._lanes.lane_of(n_windows)
                    )
        self._metrics.count_change("added")
        return _described(recording)

    async def _body(self, request: Request, received: ReceivedRequest, call: Call) -> AsyncIterator[bytes]:
        async for piece in receive_body(request, self._pace, call):
            self._admission.count(received, len(piece))
            yield piece

    def _add(self, library: ServedLibrary, clip: Upload, metadata: dict[str, object], call: Call) -> Recording:
        """Does the work of POST /library/clips in a worker thread."""
        library.check_metadata(metadata)
        embedded = self._engine.embed(clip, call)
        n_bytes = clip.file.seek(0, 2)
        recording = library.add(embedded, clip.file, n_bytes, metadata)
        add_request_fields(audio_s=round(recording.duration_s, 3))
        return recording

    async def get_clip(self, recording_id: str = _RECORDING_ID) -> AddedRecordingOut:
        """Returns a recording of the library."""
        return _described(await anyio.to_thread.run_sync(self._library.recording, recording_id))

    async def remove_clip(self, recording_id: str = _RECORDING_ID) -> Response:
        """Removes a recording from the library. The file of a recording that the operator has indexed stays."""
        await anyio.to_thread.run_sync(self._library.remove, recording_id)
        self._metrics.count_change("removed")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def get_audio(self, recording_id: str = _RECORDING_ID) -> Response:
        """Sends the audio of a recording, or ranges of it, if the operator allows it."""
        library = self._library
        recording = await anyio.to_thread.run_sync(library.recording, recording_id)
        path = await anyio.to_thread.run_sync(library.audio.path_of, recording)
        guessed = mimetypes.guess_type(path.name)[0] or ""
        media_type = guessed if guessed.partition("/")[0] in _SAFE_TYPES else "application/octet-stream"
        return FileResponse(path, media_type=media_type, headers={"X-Content-Type-Options": "nosniff"})


def _read_metadata(form: Form) -> dict[str, object]:
    """The metadata of a form.

    Raises:
        FieldRepeated: If there are two.
        ParameterInvalid: If the text is no JSON object.
    """
    texts = form.texts.get("metadata", [])
    if len(texts) > 1:
        raise FieldRepeated("metadata")
    try:
        document: object = json.loads(texts[0]) if texts else {}
    except (ValueError, RecursionError) as error:
        raise ParameterInvalid("metadata", "not JSON", "a JSON object of texts and numbers") from error
    if not isinstance(document, dict):
        raise ParameterInvalid("metadata", "not a JSON object", "a JSON object of texts and numbers")
    return cast(dict[str, object], document)


def _library_out(library: ServedLibrary) -> LibraryOut:
    n_recordings, duration_s = library.searcher.covered()
    columns = library.searcher.library.metadata_columns()
    return LibraryOut(
        n_recordings=n_recordings,
        duration_s=round(duration_s, 3),
        audio=library.audio.is_allowed,
        columns={name: "text" if kind is str else "number" for name, kind in columns.items()},
    )


def _described(recording: Recording) -> AddedRecordingOut:
    warnings = [warning_out(warning) for warning in warnings_from_bytes(recording.warnings.encode())]
    return AddedRecordingOut(**recording_out(recording).model_dump(), warnings=warnings)
