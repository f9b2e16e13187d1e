"""A library that a service serves: searches, and recordings that are added, read and removed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import BinaryIO

from service.core.library_errors import RecordingNotFound
from service.core.manifest import Manifest
from service.engine.clip_warnings import warnings_to_bytes
from service.engine.interface import EmbeddedClip
from service.library.recording import LibraryModel, Recording
from service.library.searching import Searcher
from service.library.store import NewRecording, open_or_create_library
from service.library.uploads import AudioFiles, check_metadata, id_of_upload


class ServedLibrary:
    """An open library; safe to use from several threads.

    Attributes:
        searcher: Searches the library.
        audio: The audio of the recordings.
    """

    def __init__(self, searcher: Searcher, audio: AudioFiles) -> None:
        self.searcher, self.audio = searcher, audio
        self._library = searcher.library

    def recording(self, recording_id: str) -> Recording:
        """The recording with an id.

        Raises:
            RecordingNotFound: If there is none.
        """
        found = self._library.recording(recording_id)
        if found is None:
            raise RecordingNotFound(recording_id)
        return found

    def check_metadata(self, values: Mapping[str, object]) -> None:
        """Checks metadata before the recording is embedded.

        Raises:
            ParameterInvalid: If a name or a value cannot be kept.
        """
        check_metadata(values, self._library.metadata_columns())

    def add(self, clip: EmbeddedClip, file: BinaryIO, n_bytes: int, metadata: Mapping[str, object]) -> Recording:
        """Adds a recording that was sent, or replaces the metadata of the same recording.

        Args:
            clip: The embedded recording.
            file: The recording.
            n_bytes: Size of the recording, in bytes.
            metadata: Values of columns; columns that the library does not have are made.

        Raises:
            ParameterInvalid: If a name or a value cannot be kept.
        """
        values = check_metadata(metadata, self._library.metadata_columns())
        self._library.add_metadata_columns(
            {name: str if isinstance(value, str) else float for name, value in values.items() if value is not None},
            "metadata",
        )
        recording_id = id_of_upload(clip.clip_id)
        old = self._library.recording(recording_id)
        known = self._library.metadata_columns()
        kept = {name: value for name, value in values.items() if name in known}
        row = Recording(
            id=recording_id,
            path="",
            clip_id=clip.clip_id,
            n_bytes=n_bytes,
            modified_ns=0,
            duration_s=clip.embedding.duration_s,
            n_frames=len(clip.embedding.stored),
            generation=0,
            warnings=warnings_to_bytes(clip.embedding.warnings).decode(),
            metadata={**(old.metadata if old else {}), **kept},
        )
        self.audio.keep(recording_id, file)
        if old is not None and old.clip_id == row.clip_id:
            self._library.update([replace(row, generation=old.generation)])
        else:
            self._library.add([NewRecording(row, clip.embedding)])
        return self.recording(recording_id)

    def remove(self, recording_id: str) -> None:
        """Removes a recording; the file of a recording that was indexed from a file stays.

        Raises:
            RecordingNotFound: If there is none.
        """
        found = self.recording(recording_id)
        self._library.remove([recording_id])
        if not found.path:
            self.audio.forget(recording_id)


def open_served_library(location: str, manifest: Manifest, *, audio: bool) -> ServedLibrary | None:
    """Opens the library of a service, or makes it; None if the location is empty.

    Args:
        location: Folder or URI of the library.
        manifest: The manifest of the model of the service.
        audio: Whether clients may fetch audio.

    Raises:
        StartError: If the library cannot be used with this model.
    """
    if not location:
        return None
    library = open_or_create_library(location, LibraryModel.of(manifest))
    return ServedLibrary(Searcher(library, manifest), AudioFiles(location, is_allowed=audio))
