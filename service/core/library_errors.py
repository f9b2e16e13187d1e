"""Errors of a library that was opened, but cannot answer.

::

    LibraryError
    ├── LibraryDamaged          the stored data cannot be read, or fails its checksum
    ├── LibraryAbsent           the service has no library
    ├── RecordingNotFound
    ├── RecordingAudioMissing
    └── FilterInvalid           a condition on recordings cannot be used
"""

# ruff: noqa: N818 - each name says what is wrong; the base class says that it is an error

from service.core.errors import EarmarkError


class LibraryError(EarmarkError):
    """The library cannot answer."""


class LibraryDamaged(LibraryError):
    """Stored data of the library cannot be read, or fails its checksum."""

    location: str
    reason: str
    template = (
        "library {location} is damaged: {reason}; restore it from a copy, or remove the recording and index it again"
    )


class LibraryAbsent(LibraryError, setting="EARMARK_LIBRARY"):
    """The service has no library."""

    template = "this service has no library"


class RecordingAudioMissing(LibraryError, setting="EARMARK_LIBRARY_AUDIO"):
    """The audio of a recording cannot be fetched."""

    recording: str
    reason: str
    template = "the audio of recording {recording} cannot be fetched: {reason}"


class RecordingNotFound(LibraryError):
    """The library has no recording with this id or path."""

    recording: str
    template = "the library has no recording {recording!r}"


class FilterInvalid(LibraryError):
    """A condition on recordings cannot be used."""

    reason: str
    accepted: str
    template = "the condition cannot be used: {reason}; accepted: {accepted}"
