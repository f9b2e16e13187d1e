"""Problems in the OpenAPI document: examples made from real errors, so that they match the real answers."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from service.api.problems import MEDIA_TYPE, problem_body, problem_of
from service.api.schemas import ProblemOut
from service.core.access_errors import AudioQuotaExceeded, KeyMissing, KeyUnknown, RateExceeded
from service.core.errors import (
    AudioEmpty,
    AudioTooLarge,
    AudioTooLong,
    AudioUndecodable,
    ClipNotFound,
    DeadlineExceeded,
    DecoderLost,
    DescriptorsExhausted,
    EarmarkError,
    ParameterInvalid,
    QueriesMissing,
    QueryTooLong,
    ServiceEnding,
    TemporarySpaceFull,
    TooManyAnswerBytes,
    TooManyBytes,
    TooManyConnections,
    TooManyQueries,
    TooManyRequests,
    UnsupportedAudio,
    WaitTooLong,
)
from service.core.request_errors import (
    ClipUnclear,
    FieldUnknown,
    FormMalformed,
    NotAForm,
    OriginRefused,
    TooManyFields,
    UploadTimedOut,
    UploadTooSlow,
)

LOCALIZE_PROBLEMS: Sequence[EarmarkError] = (
    FormMalformed("the body ends before the final boundary"),
    KeyMissing("no Authorization header"),
    KeyUnknown(),
    RateExceeded(600, 3),
    AudioQuotaExceeded(86400, 41000),
    OriginRefused("https://example.com"),
    ClipNotFound("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    AudioTooLong(3600.0),
    AudioTooLarge(536870912),
    TooManyFields(138),
    UnsupportedAudio("WMA or ASF", "WAV, FLAC, MP3, Ogg, MP4, WebM, AAC, AIFF"),
    NotAForm("text/plain"),
    ClipUnclear("neither audio nor clip_id"),
    QueriesMissing(),
    TooManyQueries(65, 64),
    QueryTooLong(2, 700, 512),
    ParameterInvalid("threshold", "1.5", "0 to 1"),
    FieldUnknown("treshold", "audio, clip_id, query, threshold"),
    AudioUndecodable("FLAC", "lost sync"),
    AudioEmpty(0),
    WaitTooLong(30, 17, 31.4),
    TooManyRequests(1000, 13),
    TooManyBytes(2147483648, 3),
    TooManyAnswerBytes(536870912, 3),
    TooManyConnections(2048, 13),
    UploadTooSlow(4096, 24.0, 1024),
    UploadTimedOut(4096, 300.0),
    EarmarkError(),
    ServiceEnding(),
    DecoderLost("the process was killed"),
    DescriptorsExhausted(),
    DeadlineExceeded(300.0),
    TemporarySpaceFull(),
)
OTHER_PROBLEMS: dict[str, Any] = {"description": "Any other problem; `type` names the problem type"}


def problem_responses(errors: Sequence[EarmarkError] = LOCALIZE_PROBLEMS) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for the problems of a request, by status code."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        problem = problem_of(type(error))
        response = responses.setdefault(
            problem.status,
            {"description": HTTPStatus(problem.status).phrase, "content": {MEDIA_TYPE: {"examples": {}}}},
        )
        response["content"][MEDIA_TYPE]["schema"] = {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}
        response["content"][MEDIA_TYPE]["examples"][problem.name] = {
            "summary": problem.title,
            "value": problem_body(error),
        }
    return dict(sorted(responses.items(), key=lambda item: str(item[0])))


def document_problems(app: FastAPI) -> None:
    """Adds the schema of problems to the OpenAPI document of an app; no route has this schema as its response model."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        document["components"]["schemas"][ProblemOut.__name__] = ProblemOut.model_json_schema()
        return document

    app.openapi = openapi
