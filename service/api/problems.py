"""How failures look on the wire (RFC 9457), and the only place that knows their status codes.

The handler of an error is found along its class's MRO, so a new error is at least what its parent is. What a 4xx tells
is the error's message and data; what a 5xx tells is fixed here, so that nothing of the inside leaks out.
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

from service.core import errors
from service.core.errors import EarmarkError

MEDIA_TYPE = "application/problem+json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem: what `type`, `title` and `status` are.

    Attributes:
        name: The end of its type, /problems/{name}; never changes.
        title: What it is, in short; the same for all occurrences.
        status: HTTP status code.
        detail: What to do about it; told in place of the error's own message if the status is 5xx.
    """

    name: str
    title: str
    status: int
    detail: str = ""

    @property
    def type(self) -> str:
        """Its URI, relative to the service."""
        return f"/problems/{self.name}"


INTERNAL_ERROR = Problem(
    "internal-error", "Internal error", 500, "the fault is the service's; its log tells more under this request's id"
)
NOT_HTTP = Problem(
    "not-http",
    "The request is not HTTP",
    400,
    "what came cannot be read as HTTP/1.1; accepted: a request whose line and headers together have at most 65536 bytes",
)
PROBLEMS: Mapping[type[EarmarkError], Problem] = {
    EarmarkError: INTERNAL_ERROR,
    errors.AudioError: Problem("audio-unusable", "The clip cannot be used", 422),
    errors.UnsupportedAudio: Problem("audio-unsupported", "Audio of this kind is not accepted", 415),
    errors.AudioUndecodable: Problem("audio-undecodable", "The clip cannot be decoded", 422),
    errors.AudioEmpty: Problem("audio-empty", "The clip is empty", 422),
    errors.AudioNotFinite: Problem("audio-not-finite", "The clip holds samples that are not finite", 422),
    errors.AudioTooLong: Problem("audio-too-long", "The clip lasts too long", 413),
    errors.AudioTooLarge: Problem("audio-too-large", "The clip has too many bytes", 413),
    errors.QueryError: Problem("query-unusable", "The queries cannot be used", 422),
    errors.QueriesMissing: Problem("queries-missing", "No query came", 422),
    errors.TooManyQueries: Problem("too-many-queries", "Too many queries came", 422),
    errors.QueryEmpty: Problem("query-empty", "A query holds no word", 422),
    errors.QueryTooLong: Problem("query-too-long", "A query is too long", 422),
    errors.ParameterInvalid: Problem("parameter-invalid", "A parameter is outside what is accepted", 422),
    errors.ClipNotFound: Problem("clip-not-found", "The clip is not known", 404),
    errors.RequestError: Problem("request-unusable", "The request cannot be read", 400),
    errors.NotAForm: Problem("not-a-form", "The body is not multipart/form-data", 415),
    errors.FormMalformed: Problem("form-malformed", "The form is malformed", 400),
    errors.TooManyFields: Problem("too-many-fields", "The form has too many fields", 413),
    errors.FieldUnknown: Problem("field-unknown", "A field is not known", 422),
    errors.FieldRepeated: Problem("field-repeated", "A field came more than once", 422),
    errors.FieldKindWrong: Problem("field-kind-wrong", "A file came for a text, or a text for a file", 422),
    errors.FieldNotUtf8: Problem("field-not-utf8", "A text is not UTF-8", 422),
    errors.FieldTooLarge: Problem("field-too-large", "A text is too large", 413),
    errors.ClipUnclear: Problem("clip-unclear", "It is not clear which clip is meant", 422),
    errors.Overloaded: Problem("overloaded", "As much is worked on as is accepted", 429),
    errors.TooManyRequests: Problem("too-many-requests", "As many requests are answered as are accepted", 429),
    errors.TooManyBytes: Problem("too-many-bytes", "The uploads hold as many bytes as are accepted", 429),
    errors.DeadlineExceeded: Problem(
        "deadline-exceeded",
        "The answer was not there in time",
        504,
        "no answer within EARMARK_REQUEST_TIMEOUT_S; a shorter clip or fewer queries take less",
    ),
    errors.NotReady: Problem("not-ready", "The service is not ready", 503, "try again later"),
    errors.EngineStopped: Problem("engine-stopped", "The model does not run any longer", 503, "try again later"),
    errors.ServiceEnding: Problem("ending", "The service is ending", 503, "ask another replica, or try again later"),
}
_FRAMEWORK_PROBLEMS = {
    404: Problem("not-found", "There is nothing at this address", 404, "/docs lists what there is"),
    405: Problem("method-not-allowed", "This address takes another method", 405, "the Allow header lists its methods"),
}
RETRY_AFTER_S = 5


def all_problems() -> dict[str, Problem]:
    """Every kind of problem by name."""
    return {problem.name: problem for problem in (*PROBLEMS.values(), *_FRAMEWORK_PROBLEMS.values(), NOT_HTTP)}


def problem_of(kind: type[EarmarkError]) -> Problem:
    """The problem that a class of errors is: its own, or the nearest ancestor's."""
    return next(PROBLEMS[ancestor] for ancestor in kind.__mro__ if ancestor in PROBLEMS)


def problem_body(error: EarmarkError) -> dict[str, Any]:
    """What is told about an error: its message and its data, unless the fault is the service's."""
    problem = problem_of(type(error))
    if problem.status >= 500:
        return _body(problem, problem.detail)
    setting = {"setting": error.setting} if error.setting else {}
    return _body(problem, str(error)) | error.data | setting


def crash_response() -> Response:
    """What is told when an exception was not meant for anybody."""
    return _response(_body(INTERNAL_ERROR, INTERNAL_ERROR.detail), INTERNAL_ERROR.status)


def not_http_response() -> Response:
    """What is told when bytes came that no request could be read from."""
    return _response(_body(NOT_HTTP, NOT_HTTP.detail), NOT_HTTP.status)


def add_problem_handlers(app: FastAPI, on_server_fault: Callable[[], None]) -> None:
    """Makes every failure that the app can name a problem; crashes are the middleware's.

    Args:
        app: The app that has just been made.
        on_server_fault: Called whenever the service is at fault.
    """

    async def handle_error(_request: Request, error: Exception) -> Response:
        if not isinstance(error, EarmarkError):
            raise error
        status = problem_of(type(error)).status
        if status == HTTPStatus.INTERNAL_SERVER_ERROR or type(error) is errors.NotReady:
            log.error("the service is at fault", exc_info=error)
            on_server_fault()
        retry = {"Retry-After": str(error.retry_after_s)} if isinstance(error, errors.Overloaded) else {}
        return _response(problem_body(error), status, retry)

    app.add_exception_handler(EarmarkError, handle_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)


async def _handle_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    phrase = HTTPStatus(status).phrase
    problem = _FRAMEWORK_PROBLEMS.get(status, Problem(f"http-{status}", phrase, status, phrase))
    detail = f"{request.method} {request.url.path}: {problem.detail}"
    return _response(_body(problem, detail), status, error.headers)


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
    retry = {"Retry-After": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Response(orjson.dumps(body), status, retry | dict(headers or {}), media_type=MEDIA_TYPE)
