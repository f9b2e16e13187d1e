"""Problems (RFC 9457): the wire format of failures, and the only module that knows status codes.

The problem of an error is looked up along the MRO of its class, so a new error class has at least the problem of its
parent. The body of a 4xx answer contains the message and the data of the error. The text of a 5xx answer is fixed in
this module, so that no internal detail leaks.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.api.allowed_methods import allowed_methods
from service.api.root_path import current_root_path
from service.core import access_errors, errors, library_errors, request_errors
from service.core.errors import EarmarkError
from service.request_fields import add_request_fields
from service.temporary_space import DESCRIPTORS_EXHAUSTED, STORAGE_FULL
from service.tracing import current_trace

MEDIA_TYPE = "application/problem+json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem type: its `type`, `title` and `status`.

    Attributes:
        name: Last part of the problem's type, /problems/{name}; it never changes.
        title: Short description, the same for all occurrences.
        status: HTTP status code.
        detail: Advice to the client, for problems whose error has no message that a client may read.
    """

    name: str
    title: str
    status: int
    detail: str = ""

    @property
    def type(self) -> str:
        """URI of the problem type, relative to the host that publishes the service."""
        return f"{current_root_path.get()}/problems/{self.name}"


INTERNAL_ERROR = Problem(
    "internal-error",
    "Internal error",
    500,
    "the service failed; its log has the details under the id of this request",
)
NOT_HTTP = Problem(
    "not-http",
    "The request is not HTTP",
    400,
    "the received bytes are no HTTP/1.1 request; accepted: request line and headers of at most 65536 bytes together",
)
PROBLEMS: Mapping[type[EarmarkError], Problem] = {
    EarmarkError: INTERNAL_ERROR,
    access_errors.AccessError: Problem("access-refused", "The request may not be answered", 403),
    access_errors.KeyMissing: Problem("key-missing", "The request has no key", 401),
    access_errors.KeyUnknown: Problem("key-unknown", "The key is not known", 401),
    access_errors.LimitExceeded: Problem("limit-exceeded", "A limit of the key is used up", 429),
    access_errors.RateExceeded: Problem("rate-exceeded", "The key has made too many requests", 429),
    access_errors.AudioQuotaExceeded: Problem("audio-quota-exceeded", "The audio quota of the key is used up", 429),
    request_errors.RequestTooSlow: Problem(
        "request-too-slow",
        "The request arrives too slowly",
        408,
        "the head of the request was not complete in time (EARMARK_REQUEST_TIMEOUT_S, EARMARK_MIN_BYTES_PER_S)",
    ),
    request_errors.UploadTooSlow: Problem("upload-too-slow", "The upload is too slow", 408),
    request_errors.UploadTimedOut: Problem("upload-timed-out", "The upload took too long", 408),
    errors.AudioError: Problem("audio-unusable", "The clip cannot be used", 422),
    errors.UnsupportedAudio: Problem("audio-unsupported", "The audio format is not supported", 415),
    errors.AudioUndecodable: Problem("audio-undecodable", "The clip cannot be decoded", 422),
    errors.AudioEmpty: Problem("audio-empty", "The clip is empty", 422),
    errors.AudioNotFinite: Problem("audio-not-finite", "The clip contains samples that are not finite", 422),
    errors.AudioTooLong: Problem("audio-too-long", "The clip is too long", 413),
    errors.AudioTooLarge: Problem("audio-too-large", "The audio file is too large", 413),
    errors.QueryError: Problem("query-unusable", "The queries cannot be used", 422),
    errors.QueriesMissing: Problem("queries-missing", "The request has no query", 422),
    errors.TooManyQueries: Problem("too-many-queries", "The request has too many queries", 422),
    errors.QueryEmpty: Problem("query-empty", "A query contains no word", 422),
    errors.QueryTooLong: Problem("query-too-long", "A query is too long", 422),
    errors.ParameterInvalid: Problem("parameter-invalid", "The value of a parameter is not accepted", 422),
    errors.ClipNotFound: Problem("clip-not-found", "The clip is not known", 404),
    library_errors.LibraryError: Problem("library-unusable", "The library cannot answer", 500),
    library_errors.LibraryDamaged: Problem(
        "library-damaged",
        "The library is damaged",
        500,
        "stored data of the library cannot be read; the log says which",
    ),
    library_errors.LibraryAbsent: Problem("library-absent", "The service has no library", 404),
    library_errors.RecordingAudioMissing: Problem("recording-audio-missing", "The audio cannot be fetched", 404),
    library_errors.RecordingNotFound: Problem("recording-not-found", "The library has no such recording", 404),
    library_errors.FilterInvalid: Problem("filter-invalid", "The condition on recordings is not accepted", 422),
    request_errors.RequestError: Problem("request-unusable", "The request cannot be read", 400),
    request_errors.NotAForm: Problem("not-a-form", "The media type of the body is not accepted", 415),
    request_errors.FormMalformed: Problem("form-malformed", "The form is malformed", 400),
    request_errors.FieldsTooLarge: Problem("fields-too-large", "The fields of the request are too large", 413),
    request_errors.OriginRefused: Problem("origin-refused", "Web pages of this site may not use the service", 403),
    request_errors.TooManyFields: Problem("too-many-fields", "The form has too many fields", 413),
    request_errors.FieldUnknown: Problem("field-unknown", "A form field is unknown", 422),
    request_errors.FieldRepeated: Problem("field-repeated", "A form field is repeated", 422),
    request_errors.FieldKindWrong: Problem(
        "field-kind-wrong", "A form field has a file instead of text, or text instead of a file", 422
    ),
    request_errors.FieldNotUtf8: Problem("field-not-utf8", "A text field is not UTF-8", 422),
    request_errors.FieldTooLarge: Problem("field-too-large", "A text field is too large", 413),
    request_errors.ClipUnclear: Problem("clip-unclear", "The request does not name exactly one clip", 422),
    errors.Overloaded: Problem("overloaded", "The service is at its limit", 429),
    errors.WaitTooLong: Problem("wait-too-long", "Too much work is ahead of the request", 429),
    errors.TooManyRequests: Problem("too-many-requests", "Too many requests at the same time", 429),
    errors.TooManyBytes: Problem("too-many-bytes", "Too many bytes of uploads at the same time", 429),
    errors.TooManyAnswerBytes: Problem("too-many-answer-bytes", "Too many bytes of answers wait to be read", 429),
    errors.TooManyConnections: Problem("too-many-connections", "Too many connections", 429),
    errors.TemporarySpaceFull: Problem(
        "temporary-space-full",
        "There is no space for temporary files",
        507,
        "the service has no space to receive the clip; try again later, or send a clip of less than 1 MB or a clip_id",
    ),
    errors.DeadlineExceeded: Problem(
        "deadline-exceeded",
        "The answer took too long",
        504,
        "there was no answer within EARMARK_REQUEST_TIMEOUT_S; send a shorter clip or fewer queries",
    ),
    errors.DecoderLost: Problem(
        "decoder-unavailable",
        "No decoder is available",
        503,
        "the process that decodes the clip was killed or could not be started; send the clip again",
    ),
    errors.NotReady: Problem("not-ready", "The service is not ready", 503, "try again later"),
    errors.EngineStopped: Problem("engine-stopped", "The model has stopped", 503, "try again later"),
    errors.Saturated: Problem(
        "saturated",
        "Every request is being refused",
        503,
        "all requests have been refused for a while; try again later",
    ),
    errors.DescriptorsExhausted: Problem(
        "descriptors-exhausted",
        "The service cannot open more files",
        503,
        "the service has as many open files and sockets as the system allows; try again later",
    ),
    errors.ServiceEnding: Problem(
        "ending", "The service is shutting down", 503, "try another replica, or try again later"
    ),
}
_FRAMEWORK_PROBLEMS = {
    404: Problem("not-found", "There is no such resource", 404, "/docs lists the available routes"),
    405: Problem("method-not-allowed", "The method is not allowed", 405, "the Allow header lists the allowed methods"),
}
RETRY_AFTER_S = 5
_CHALLENGE = 'Bearer realm="earmark"'  # RFC 6750


def all_problems() -> dict[str, Problem]:
    """Every problem type by its name."""
    return {problem.name: problem for problem in (*PROBLEMS.values(), *_FRAMEWORK_PROBLEMS.values(), NOT_HTTP)}


def problem_of(kind: type[EarmarkError]) -> Problem:
    """The problem type of an error class: the entry of the class, or of its nearest ancestor that has an entry."""
    return next(PROBLEMS[ancestor] for ancestor in kind.__mro__ if ancestor in PROBLEMS)


def problem_body(error: EarmarkError) -> dict[str, Any]:
    """The body of a problem answer: the message and data of the error, or the fixed advice if the status is 5xx."""
    problem = problem_of(type(error))
    if problem.status >= 500:
        return _body(problem, problem.detail)
    members: dict[str, Any] = error.data | ({"setting": error.setting} if error.setting else {})
    if isinstance(error, access_errors.LimitExceeded):  # the name of the member is that of the RateLimit draft
        members["violated-policies"] = [error.policy]
    return _body(problem, str(error)) | members


def crash_response() -> Response:
    """The answer to a request that crashed the app; it contains nothing of the exception."""
    return _response(_body(INTERNAL_ERROR, INTERNAL_ERROR.detail), INTERNAL_ERROR.status)


def not_http_response() -> Response:
    """The answer to bytes that are not an HTTP request."""
    return _response(_body(NOT_HTTP, NOT_HTTP.detail), NOT_HTTP.status)


def too_slow_response() -> Response:
    """The answer to a request whose head is not complete in time."""
    problem = PROBLEMS[request_errors.RequestTooSlow]
    return _response(_body(problem, problem.detail), problem.status)


def problem_response(error: EarmarkError) -> Response:
    """The answer to a request that failed with an error."""
    headers: dict[str, str] = {}
    if isinstance(error, (errors.Overloaded, access_errors.LimitExceeded)):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, access_errors.KeyMissing):
        headers["WWW-Authenticate"] = _CHALLENGE
    if isinstance(error, access_errors.KeyUnknown):
        headers["WWW-Authenticate"] = f'{_CHALLENGE}, error="invalid_token"'
    return _response(problem_body(error), problem_of(type(error)).status, headers)


def add_problem_handlers(app: FastAPI, on_server_fault: Callable[[], None]) -> None:
    """Makes an app answer its errors with problems; `RequestMiddleware` answers crashes.

    Args:
        app: The app, to which the exception handlers are added.
        on_server_fault: Called after each internal error and each failed check of the model.
    """

    async def handle_error(_request: Request, error: Exception) -> Response:
        if not isinstance(error, EarmarkError):
            raise error
        status = problem_of(type(error)).status
        if status == HTTPStatus.INTERNAL_SERVER_ERROR or type(error) is errors.NotReady:
            log.error("internal error or failed model check", exc_info=error)
            current_trace().record_error(error)
            on_server_fault()
        return problem_response(error)

    app.add_exception_handler(EarmarkError, handle_error)
    app.add_exception_handler(OSError, _handle_os_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)


async def _handle_os_error(_request: Request, error: Exception) -> Response:
    """Answers a request for which no file, socket or process could be opened; other system errors are crashes."""
    if isinstance(error, OSError) and error.errno in DESCRIPTORS_EXHAUSTED:
        return problem_response(errors.DescriptorsExhausted())
    if isinstance(error, OSError) and error.errno in STORAGE_FULL:
        return problem_response(errors.TemporarySpaceFull())
    raise error


async def _handle_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    phrase = HTTPStatus(status).phrase
    problem = _FRAMEWORK_PROBLEMS.get(status, Problem(f"http-{status}", phrase, status, phrase))
    detail = f"{request.method} {request.url.path}: {problem.detail}"
    headers = dict(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = allowed_methods(request) or headers.get("Allow", "GET, HEAD")
    return _response(_body(problem, detail), status, headers)


async def _handle_validation_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    name = str(first["loc"][-1])
    problem = problem_of(errors.ParameterInvalid)
    detail = f"{name}: {first['msg']}"
    return _response(_body(problem, detail) | {"name": name, "accepted": first["msg"]}, problem.status)


def _body(problem: Problem, detail: str) -> dict[str, Any]:
    return {"type": problem.type, "title": problem.title, "status": problem.status, "detail": detail}


def _response(body: Mapping[str, Any], status: int, headers: Mapping[str, str] | None = None) -> Response:
    add_request_fields(outcome=str(body["type"]).rpartition("/")[2])
    retry = {"Retry-After": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Response(orjson.dumps(body), status, retry | dict(headers or {}), media_type=MEDIA_TYPE)
