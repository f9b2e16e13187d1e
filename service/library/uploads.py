"""Recordings that clients send to a library: their ids, their metadata and their audio."""

import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from service.core.errors import ParameterInvalid
from service.core.library_errors import RecordingAudioMissing
from service.core.start_errors import MetadataInvalid
from service.library.metadata import MAX_COLUMNS, MAX_VALUE_CHARS, check_column_name
from service.library.recording import Recording, Value
from service.library.tables import is_object_store

AUDIO_FOLDER = "audio"
ID_CHARS = 32


def id_of_upload(clip_id: str) -> str:
    """Id of a recording that was sent: the same bytes have the same id."""
    return clip_id[:ID_CHARS]


def check_metadata(values: Mapping[str, object], known: Mapping[str, type]) -> dict[str, Value]:
    """Checks metadata from a client, and converts numbers for columns of texts.

    Args:
        values: The values by the name of the column; None deletes a value.
        known: Types of the columns that the library has.

    Raises:
        ParameterInvalid: If a name or a value cannot be kept.
    """
    checked: dict[str, Value] = {}
    for given, value in values.items():
        name = given.lower()
        try:
            check_column_name("metadata", name)
        except MetadataInvalid as error:
            raise ParameterInvalid("metadata", error.reason, "names of columns with texts or numbers") from error
        kind = known.get(name, str if isinstance(value, str) or value is None else float)
        checked[name] = _checked(name, value, kind)
    if len({*known, *checked}) > MAX_COLUMNS:
        raise ParameterInvalid("metadata", f"{len({*known, *checked})} columns", f"at most {MAX_COLUMNS} in a library")
    return checked


def _checked(name: str, value: object, kind: type) -> Value:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is str and (isinstance(value, str) or is_number):
        text = str(value)
        if len(text) > MAX_VALUE_CHARS or not _is_unicode(text):
            accepted = f"Unicode text of at most {MAX_VALUE_CHARS} characters"
            raise ParameterInvalid(f"metadata.{name}", f"a text of {len(text)} characters", accepted)
        return text
    if kind is float and isinstance(value, int | float) and is_number and math.isfinite(_as_float(value)):
        return _as_float(value)
    came = type(value).__name__ if not isinstance(value, int | float) else repr(value)[:40]
    raise ParameterInvalid(
        f"metadata.{name}", came, "a text" if kind is str else "a number, as in the other recordings"
    )


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


class AudioFiles:
    """The audio of a library's recordings.

    Attributes:
        is_allowed: Whether audio may be fetched, and is kept.

    Args:
        location: Folder or URI of the library.
        is_allowed: Whether audio may be fetched, and is kept.
    """

    def __init__(self, location: str, *, is_allowed: bool) -> None:
        self.is_allowed = is_allowed
        self._folder = None if is_object_store(location) or not is_allowed else Path(location, AUDIO_FOLDER)

    def keep(self, recording_id: str, file: BinaryIO) -> None:
        """Copies a recording that was sent, so that it is there either whole or not at all.

        Raises:
            OSError: If it cannot be written.
        """
        if self._folder is None:
            return
        self._folder.mkdir(exist_ok=True)
        file.seek(0)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".", delete=False) as copy:
            try:
                shutil.copyfileobj(file, copy)
            except BaseException:
                Path(copy.name).unlink()
                raise
        Path(copy.name).replace(self._folder / recording_id)

    def forget(self, recording_id: str) -> None:
        """Deletes the audio of a recording that was sent."""
        if self._folder is not None:
            (self._folder / recording_id).unlink(missing_ok=True)

    def path_of(self, recording: Recording) -> Path:
        """The file of a recording.

        Raises:
            RecordingAudioMissing: If audio may not be fetched, or if the file is missing or has changed.
        """
        if not self.is_allowed:
            raise RecordingAudioMissing(recording.id, "the operator does not allow it")
        if not recording.path and self._folder is None:
            raise RecordingAudioMissing(recording.id, "recordings that were sent to an object store are not kept")
        path = Path(recording.path) if recording.path or self._folder is None else self._folder / recording.id
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError as error:
            raise RecordingAudioMissing(recording.id, "its file is missing") from error
        if status.st_size != recording.n_bytes or (recording.path and status.st_mtime_ns != recording.modified_ns):
            raise RecordingAudioMissing(recording.id, "its file has changed since it was indexed")
        return path
