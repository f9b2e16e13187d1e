"""The two ways to localize many recordings: with the model in this process, or by a service."""

import os
import stat
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from service.command_line.output import WarningLike, query_messages
from service.command_line.table_rows import TableForm, named_lines, segment_rows
from service.core.queries import check_queries
from service.core.start_errors import ServiceFailed
from service.formats.document import detections_of

if TYPE_CHECKING:
    from service.client import Client
    from service.engine.call import Call
    from service.engine.engine import Engine

MAX_CLIP_S = 24 * 3600.0  # the user of the command waits only for these recordings
MAX_CLIP_BYTES = 64 * 2**30
N_DECODERS = 2
_N_PARALLEL = 4
_N_PARALLEL_REQUESTS = 8
_DEFAULT_MAX_QUERIES = 64


class RecordingError(Exception):
    """A recording that cannot be localized, while other recordings can.

    Args:
        name: Name of the kind of error.
        message: What is wrong.
        is_format: Whether the file is in a format that is not accepted, so that it may be no recording at all.
    """

    def __init__(self, name: str, message: str, *, is_format: bool = False) -> None:
        super().__init__(message)
        self.name, self.is_format = name, is_format


@dataclass(frozen=True, slots=True)
class Task:
    """What is done with every recording.

    Attributes:
        queries: The queries.
        overrides: Post-processing values that replace the model's defaults, by name.
        form: The table that is written.
    """

    queries: tuple[str, ...]
    overrides: Mapping[str, float]
    form: TableForm


class RecordingLocalizer(Protocol):
    """Localizes recordings; safe to use from several threads.

    Attributes:
        model: The model that answers, so that a run is not resumed with another model.
        n_parallel: Number of recordings to localize at the same time.
    """

    model: str
    n_parallel: int

    def rows(self, file: str) -> str:
        """The rows of a recording in the table.

        Raises:
            RecordingError: If this recording cannot be localized.
            EarmarkError: If no recording can be localized.
        """
        ...

    def query_warnings(self) -> Sequence[str]:
        """Messages about the queries, after the first recording."""
        ...

    def stop(self) -> None:
        """Ends calls in progress early, where that is possible."""
        ...


class LocalLocalizer:
    """Localizes recordings with the model in this process.

    Decoding processes decode while the model works on other recordings, and a recording that crashes a decoder harms no
    other recording.
    """

    n_parallel = _N_PARALLEL

    def __init__(self, engine: "Engine", task: Task) -> None:
        self._engine, self._task = engine, task
        self._postprocessing = engine.manifest.postprocessing.override(**task.overrides)
        self.model = f"{engine.manifest.name} {engine.manifest.version}"
        self._warnings: Sequence[str] = ()
        self._calls: set[Call] = set()
        self._lock = threading.Lock()

    def rows(self, file: str) -> str:
        """The rows of a recording; see `RecordingLocalizer.rows`."""
        from service.answer import encode_lines
        from service.core.errors import AudioError, DecoderLost, UnsupportedAudio
        from service.core.localization import query_warnings
        from service.engine.call import Call
        from service.engine.clip import Upload

        call = Call()
        with self._lock:
            self._calls.add(call)
        try:
            with _open_recording(file) as clip:
                localization = self._engine.localize(Upload(clip), self._task.queries, self._postprocessing, call)
            self._warnings = query_messages(query_warnings(localization.results))
            if self._task.form == "ndjson":
                lines = b"".join(encode_lines(localization, self._engine.manifest, "none"))
                return named_lines(file, lines.decode())
            return segment_rows(self._task.form, file, detections_of(localization.results))
        except (AudioError, DecoderLost) as error:
            is_format = isinstance(error, UnsupportedAudio)
            raise RecordingError(type(error).__name__, error.message, is_format=is_format) from error
        finally:
            with self._lock:
                self._calls.discard(call)

    def query_warnings(self) -> Sequence[str]:
        """Messages about the queries, after the first recording."""
        return self._warnings

    def stop(self) -> None:
        """Ends the calls in progress, each at its next check."""
        with self._lock:
            for call in self._calls:
                call.abandon()


class ServiceLocalizer:
    """Localizes recordings by a service, which knows recordings that it has localized before."""

    n_parallel = _N_PARALLEL_REQUESTS

    def __init__(self, client: "Client", url: str, task: Task) -> None:
        self._client, self._url, self._task = client, url, task
        with _failures(url):
            info = client.info()
        model, self._max_queries = info["model"], int(info["limits"]["max_queries"])
        self.model = f"{model['name']} {model['version']}"
        self._warnings: Sequence[str] = ()

    def rows(self, file: str) -> str:
        """The rows of a recording; see `RecordingLocalizer.rows`."""
        from service import client

        of_recording = (
            client.AudioError,
            client.DeadlineExceeded,
            client.DecoderLost,
            client.InternalError,
            client.RequestTooSlow,
        )
        options: dict[str, Any] = {**self._task.overrides, "curves": "none"}
        try:
            with _open_recording(file), _failures(self._url, *of_recording):
                groups = [self._answer(file, queries, options) for queries in self._groups()]
        except of_recording as error:
            is_format = isinstance(error, client.UnsupportedAudio)
            raise RecordingError(type(error).__name__, str(error), is_format=is_format) from error
        self._warnings = query_messages(warnings for _, group in groups for warnings in group)
        return "".join(rows for rows, _ in groups)

    def _answer(
        self, file: str, queries: Sequence[str], options: Mapping[str, Any]
    ) -> tuple[str, Sequence[Sequence[WarningLike]]]:
        """The rows of a recording for some of the queries, and the warnings about each of these queries."""
        from service.client.answers import read_text_warnings

        if self._task.form == "ndjson":
            lines = self._client.localize_as("ndjson", Path(file), queries, **options)
            return named_lines(file, lines), read_text_warnings(lines)[1]
        localization = self._client.localize(Path(file), queries, **options)
        rows = segment_rows(self._task.form, file, detections_of(localization.results))
        return rows, [result.warnings for result in localization]

    def _groups(self) -> list[tuple[str, ...]]:
        """The queries in groups that the service accepts."""
        queries, size = self._task.queries, self._max_queries
        return [queries[begin : begin + size] for begin in range(0, len(queries), size)]

    def query_warnings(self) -> Sequence[str]:
        """Messages about the queries, after the first recording."""
        return self._warnings

    def stop(self) -> None:
        """Does nothing: a request ends with its answer."""


@contextmanager
def open_local_localizer(bundle: Path, device: Any, task: Task) -> Generator[LocalLocalizer]:
    """Opens the model and the decoding processes."""
    from service.engine.caching.tiers import memory_cache
    from service.engine.decoders import Decoders
    from service.engine.engine import open_engine
    from service.engine.options import EngineOptions

    options = EngineOptions(
        max_clip_s=MAX_CLIP_S,
        max_upload_bytes=MAX_CLIP_BYTES,
        max_queries=max(_DEFAULT_MAX_QUERIES, len(task.queries)),
        cache_bytes=0,
        device=device,
    )
    check_queries(task.queries, options.max_queries, options.max_query_chars)
    with (
        closing(Decoders(N_DECODERS)) as decoders,
        closing(open_engine(bundle, options, memory_cache(0), decoders.decode)) as engine,
    ):
        yield LocalLocalizer(engine, task)


@contextmanager
def open_service_localizer(url: str, key: str | None, task: Task) -> Generator[ServiceLocalizer]:
    """Connects with a service.

    Raises:
        ServiceFailed: If the address has no valid form, or the service does not answer.
    """
    with open_client(url, key) as client:
        yield ServiceLocalizer(client, url, task)


@contextmanager
def open_client(url: str, key: str | None) -> Generator["Client"]:
    """Opens a client, and reports what it raises as `ServiceFailed`."""
    from service.client import Client

    with _failures(url):
        try:
            client = Client(url, key=key)
        except ValueError as error:
            raise ServiceFailed(url, str(error)) from error
        with client:
            yield client


@contextmanager
def _failures(url: str, *passed: type[Exception]) -> Generator[None]:
    """Turns errors of the client into `ServiceFailed`, except those that are passed on."""
    from service.client import EarmarkError

    try:
        yield
    except passed:
        raise
    except EarmarkError as error:
        raise ServiceFailed(url, str(error)) from error


@contextmanager
def _open_recording(file: str) -> Generator[BinaryIO]:
    """Opens a regular file.

    Raises:
        RecordingError: If the file cannot be read, or is no regular file.
    """
    try:
        file.encode()
        with open(file, "rb", opener=_open_without_waiting) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise RecordingError("NotARegularFile", "it is not a regular file")
            yield opened
    except UnicodeEncodeError as error:
        raise RecordingError("NameNotUtf8", "its name is not UTF-8") from error
    except OSError as error:
        raise RecordingError(type(error).__name__, error.strerror or str(error)) from error


def _open_without_waiting(path: str, flags: int) -> int:
    """Opens a file; a named pipe without a writer does not block."""
    return os.open(path, flags | os.O_NONBLOCK)
