"""The problems (RFC 9457) with which the service answers, as exceptions: one class for each problem type.

A class has the name and the place in the tree that the error has in the service (`service.core.errors`), so that
`except AudioError` catches everything that is wrong with a clip. A problem type that this client does not know raises
`ProblemError` itself.
"""

# ruff: noqa: N818 - each name says what is wrong; the base class says that it is an error

from service.client.errors import ProblemError


class InternalError(ProblemError, type_name="internal-error"):
    """Internal error."""


class AccessError(ProblemError, type_name="access-refused"):
    """The request may not be answered."""


class KeyMissing(AccessError, type_name="key-missing"):
    """The request has no key."""


class KeyUnknown(AccessError, type_name="key-unknown"):
    """The key is not known."""


class LimitExceeded(AccessError, type_name="limit-exceeded"):
    """A limit of the key is used up."""


class RateExceeded(LimitExceeded, type_name="rate-exceeded"):
    """The key has made too many requests."""


class AudioQuotaExceeded(LimitExceeded, type_name="audio-quota-exceeded"):
    """The audio quota of the key is used up."""


class AudioError(ProblemError, type_name="audio-unusable"):
    """The clip cannot be used."""


class UnsupportedAudio(AudioError, type_name="audio-unsupported"):
    """The audio format is not supported."""


class AudioUndecodable(AudioError, type_name="audio-undecodable"):
    """The clip cannot be decoded."""


class AudioEmpty(AudioError, type_name="audio-empty"):
    """The clip is empty."""


class AudioNotFinite(AudioError, type_name="audio-not-finite"):
    """The clip contains samples that are not finite."""


class AudioTooLong(AudioError, type_name="audio-too-long"):
    """The clip is too long."""


class AudioTooLarge(AudioError, type_name="audio-too-large"):
    """The audio file is too large."""


class QueryError(ProblemError, type_name="query-unusable"):
    """The queries cannot be used."""


class QueriesMissing(QueryError, type_name="queries-missing"):
    """The request has no query."""


class TooManyQueries(QueryError, type_name="too-many-queries"):
    """The request has too many queries."""


class QueryEmpty(QueryError, type_name="query-empty"):
    """A query contains no word."""


class QueryTooLong(QueryError, type_name="query-too-long"):
    """A query is too long."""


class ParameterInvalid(ProblemError, type_name="parameter-invalid"):
    """The value of a parameter is not accepted."""


class ClipNotFound(ProblemError, type_name="clip-not-found"):
    """The clip is not known."""


class RequestError(ProblemError, type_name="request-unusable"):
    """The request cannot be read."""


class RequestTooSlow(RequestError, type_name="request-too-slow"):
    """The request arrives too slowly."""


class UploadTooSlow(RequestTooSlow, type_name="upload-too-slow"):
    """The upload is too slow."""


class UploadTimedOut(RequestTooSlow, type_name="upload-timed-out"):
    """The upload took too long."""


class NotAForm(RequestError, type_name="not-a-form"):
    """The media type of the body is not accepted."""


class FormMalformed(RequestError, type_name="form-malformed"):
    """The form is malformed."""


class FieldsTooLarge(RequestError, type_name="fields-too-large"):
    """The fields of the request are too large."""


class OriginRefused(RequestError, type_name="origin-refused"):
    """Web pages of this site may not use the service."""


class TooManyFields(RequestError, type_name="too-many-fields"):
    """The form has too many fields."""


class FieldUnknown(RequestError, type_name="field-unknown"):
    """A form field is unknown."""


class FieldRepeated(RequestError, type_name="field-repeated"):
    """A form field is repeated."""


class FieldKindWrong(RequestError, type_name="field-kind-wrong"):
    """A form field has a file instead of text, or text instead of a file."""


class FieldNotUtf8(RequestError, type_name="field-not-utf8"):
    """A text field is not UTF-8."""


class FieldTooLarge(RequestError, type_name="field-too-large"):
    """A text field is too large."""


class ClipUnclear(RequestError, type_name="clip-unclear"):
    """The request does not name exactly one clip."""


class Overloaded(ProblemError, type_name="overloaded"):
    """The service is at its limit."""


class WaitTooLong(Overloaded, type_name="wait-too-long"):
    """Too much work is ahead of the request."""


class TooManyRequests(Overloaded, type_name="too-many-requests"):
    """Too many requests at the same time."""


class TooManyBytes(Overloaded, type_name="too-many-bytes"):
    """Too many bytes of uploads at the same time."""


class TooManyAnswerBytes(Overloaded, type_name="too-many-answer-bytes"):
    """Too many bytes of answers wait to be read."""


class TooManyConnections(Overloaded, type_name="too-many-connections"):
    """Too many connections."""


class TemporarySpaceFull(ProblemError, type_name="temporary-space-full"):
    """There is no space for temporary files."""


class LibraryError(ProblemError, type_name="library-unusable"):
    """The library cannot answer."""


class LibraryDamaged(LibraryError, type_name="library-damaged"):
    """The library is damaged."""


class LibraryAbsent(LibraryError, type_name="library-absent"):
    """The service has no library."""


class RecordingAudioMissing(LibraryError, type_name="recording-audio-missing"):
    """The audio cannot be fetched."""


class RecordingNotFound(LibraryError, type_name="recording-not-found"):
    """The library has no such recording."""


class FilterInvalid(LibraryError, type_name="filter-invalid"):
    """The condition on recordings is not accepted."""


class DeadlineExceeded(ProblemError, type_name="deadline-exceeded"):
    """The answer took too long."""


class DecoderLost(ProblemError, type_name="decoder-unavailable"):
    """No decoder is available."""


class NotReady(ProblemError, type_name="not-ready"):
    """The service is not ready."""


class EngineStopped(NotReady, type_name="engine-stopped"):
    """The model has stopped."""


class Saturated(NotReady, type_name="saturated"):
    """Every request is being refused."""


class DescriptorsExhausted(NotReady, type_name="descriptors-exhausted"):
    """The service cannot open more files."""


class ServiceEnding(NotReady, type_name="ending"):
    """The service is shutting down."""


class NotFound(ProblemError, type_name="not-found"):
    """There is no such resource."""


class MethodNotAllowed(ProblemError, type_name="method-not-allowed"):
    """The method is not allowed."""


class NotHttp(ProblemError, type_name="not-http"):
    """The request is not HTTP."""
