"""Errors that are reported to a caller: what came, what is accepted, and the setting that decides.

::

    EarmarkError
    ├── StartError                  a command cannot start; `service.core.start_errors` draws its subclasses
    ├── RequestError                the service cannot read the request; `service.core.request_errors` draws its subclasses
    ├── AccessError                 no valid key, or a limit of the key is used up; drawn in `service.core.access_errors`
    ├── LibraryError                a library cannot answer; `service.core.library_errors` draws its subclasses
    ├── AudioError                  the clip cannot be used
    │   ├── UnsupportedAudio        container, codec, sample rate or channel count
    │   ├── AudioUndecodable
    │   ├── AudioEmpty
    │   ├── AudioNotFinite
    │   ├── AudioTooLong
    │   └── AudioTooLarge
    ├── QueryError                  the queries cannot be used
    │   ├── QueriesMissing
    │   ├── TooManyQueries
    │   ├── QueryEmpty
    │   └── QueryTooLong
    ├── ParameterInvalid            a number or choice is outside its range
    ├── ClipNotFound
    ├── Overloaded                  the service is at the limit of its work
    │   ├── WaitTooLong
    │   ├── TooManyRequests
    │   ├── TooManyBytes
    │   ├── TooManyAnswerBytes
    │   └── TooManyConnections
    ├── DeadlineExceeded
    ├── DecoderLost                 no process decoded the clip, for a reason outside the clip
    ├── TemporarySpaceFull
    └── NotReady                    the model cannot answer
        ├── EngineStopped           the device failed, or the engine was closed
        ├── Saturated               every request has been refused for a while
        ├── DescriptorsExhausted
        └── ServiceEnding           shutdown: the process finishes its requests and accepts no others

This module knows no HTTP status codes; `service.api.problems` does.
"""

# ruff: noqa: N818 - each name says what is wrong; the base class says that it is an error

from dataclasses import dataclass, fields
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(eq_default=False)
@dataclass(eq=False)
class EarmarkError(Exception):
    """Root of all errors that are reported to a caller. Every subclass is a dataclass; its fields are what went wrong.

    Attributes:
        template: The message: what came, and what is accepted. The fields replace its placeholders.
        setting: The operator's setting that decides what is accepted, or None.
    """

    template: ClassVar[str] = ""
    setting: ClassVar[str | None] = None

    def __init_subclass__(cls, setting: str | None = None) -> None:
        cls.setting = setting or cls.setting
        dataclass(eq=False)(cls)

    def __str__(self) -> str:
        return f"{self.message} ({self.setting})" if self.setting else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the error by its fields, so that it can be sent from a worker process."""
        return type(self), tuple(self.data.values())

    @property
    def message(self) -> str:
        """The message in one line, with its placeholders filled."""
        return self.template.format_map(self.data)

    @property
    def data(self) -> dict[str, Any]:
        """The fields of the error, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class AudioError(EarmarkError):
    """The clip cannot be used."""


class UnsupportedAudio(AudioError):
    """The container, the codec, the sample rate or the number of channels is not accepted."""

    came: str
    accepted: str
    template = "clip is {came}; accepted: {accepted}"


class AudioUndecodable(AudioError):
    """The container is accepted, but its audio cannot be decoded."""

    container: str
    reason: str
    template = "clip looks like {container} but cannot be decoded: {reason}"


class AudioEmpty(AudioError):
    """The upload has no bytes, or the clip has no samples."""

    n_bytes: int
    template = "clip of {n_bytes} bytes has 0 samples; at least 1 is needed"


class AudioNotFinite(AudioError):
    """A sample is NaN or infinite, or too large to be audio."""

    at_s: float
    template = "clip has a sample at {at_s:.3f} s that is NaN, infinite or too large for audio; samples must be finite"


class AudioTooLong(AudioError, setting="EARMARK_MAX_CLIP_S"):
    """The clip is longer than the limit. Decoding stopped there, so the length is unknown."""

    limit_s: float
    template = "clip lasts more than {limit_s:g} s; at most {limit_s:g} s is accepted"


class AudioTooLarge(AudioError, setting="EARMARK_MAX_UPLOAD_BYTES"):
    """The upload is larger than the limit. If its size was not declared, reading stopped there."""

    limit_bytes: int
    template = "clip has more than {limit_bytes} bytes; at most {limit_bytes} bytes are accepted"


class QueryError(EarmarkError):
    """The queries cannot be used."""


class QueriesMissing(QueryError):
    """The request has no query."""

    template = "the request has no query; at least 1 is needed"


class TooManyQueries(QueryError, setting="EARMARK_MAX_QUERIES"):
    """The request has more queries than accepted."""

    n_queries: int
    limit: int
    template = "the request has {n_queries} queries; at most {limit} are accepted"


class QueryEmpty(QueryError):
    """A query has no letter and no digit."""

    number: int
    query: str
    template = "query {number} is {query!r}, which has no word; at least 1 letter or digit is needed"


class QueryTooLong(QueryError, setting="EARMARK_MAX_QUERY_CHARS"):
    """A query has too many characters."""

    number: int
    n_chars: int
    limit_chars: int
    template = "query {number} has {n_chars} characters; at most {limit_chars} are accepted"


class ParameterInvalid(EarmarkError):
    """The value of a parameter is outside its range."""

    name: str
    came: str
    accepted: str
    template = "{name} is {came}; accepted: {accepted}"


class ClipNotFound(EarmarkError, setting="EARMARK_CACHE_BYTES"):
    """The embedding of a clip is not in the cache: the clip was never sent, or its embedding was evicted."""

    clip_id: str
    template = "clip {clip_id!r} is not in the cache; send its audio again"


class NotReady(EarmarkError):
    """The model failed its last check."""

    template = "the model failed its last check"


class Overloaded(EarmarkError):
    """The service is at the limit of its work. There should be room for the client after `retry_after_s` seconds."""

    limit: int
    retry_after_s: int


class WaitTooLong(Overloaded, setting="EARMARK_MAX_WAIT_S"):
    """The work ahead of the request takes too long."""

    wait_s: float
    template = "the request would wait {wait_s:g} s; at most {limit} s is accepted; try again in {retry_after_s} s"


class TooManyRequests(Overloaded, setting="EARMARK_MAX_REQUESTS"):
    """The number of requests in progress is at its limit."""

    template = (
        "{limit} requests are in progress; at most {limit} are accepted at a time; try again in {retry_after_s} s"
    )


class TooManyBytes(Overloaded, setting="EARMARK_MAX_BYTES_IN_FLIGHT"):
    """The uploads of the requests in progress are at their limit of bytes."""

    template = "uploads in progress would exceed {limit} bytes, the most accepted; try again in {retry_after_s} s"


class TooManyAnswerBytes(Overloaded, setting="EARMARK_MAX_ANSWER_BYTES"):
    """The answers that clients have not read yet are at their limit of bytes."""

    template = (
        "answers that wait to be read would exceed {limit} bytes, the most accepted; try again in {retry_after_s} s"
    )


class TooManyConnections(Overloaded, setting="EARMARK_MAX_CONNECTIONS"):
    """The number of connections is at its limit."""

    template = "{limit} connections are open, the most accepted; try again in {retry_after_s} s"


class TemporarySpaceFull(EarmarkError):
    """A temporary file for an upload cannot be written."""

    template = "there is no space for temporary files"


class DeadlineExceeded(EarmarkError, setting="EARMARK_REQUEST_TIMEOUT_S"):
    """The answer took too long."""

    timeout_s: float
    template = "the request took more than {timeout_s:g} s"


class DecoderLost(EarmarkError):
    """No process decoded the clip, for a reason outside the clip: it was killed, or it could not be started."""

    reason: str
    template = "the clip was not decoded: {reason}"


class EngineStopped(NotReady):
    """The engine cannot embed clips or queries: its device failed, or it was closed."""

    template = "the model is not running"


class Saturated(NotReady):
    """Every request has been refused for a while."""

    template = "every request has been refused for a while"


class DescriptorsExhausted(NotReady):
    """The process cannot open another file or socket."""

    template = "the process has too many open files"


class ServiceEnding(NotReady):
    """The process is shutting down: it finishes the requests in progress and accepts no others."""

    template = "the service is shutting down"
