"""Reader of the service's answers: JSON with curves in base64, problems, and what comes from other programs."""

import base64
import email.utils
import json
import math
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import httpx
import numpy as np

from service.client.errors import PROBLEM_CLASSES, EarmarkError, ProblemError, UnexpectedAnswer
from service.client.localization import Localization
from service.client.values import AnswerWarning, Clip, Float32, QueryResult, Segment

_PROBLEM_JSON = "application/problem+json"
_SHOWN_CHARS = 200


def read_localization(response: httpx.Response) -> Localization:
    """Reads the answer of POST /localize.

    Raises:
        UnexpectedAnswer: If the body is not such an answer.
    """
    try:
        answer = read_object(response)
        clip, model = answer["clip"], answer["model"]
        return Localization(
            clip=Clip(clip["id"], clip["duration_s"], clip["cached"], read_warnings(clip)),
            model_name=model["name"],
            model_version=model["version"],
            hop_s=answer["hop_s"],
            results=tuple(_result(result) for result in answer["results"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(response.status_code, f"no answer of POST /localize ({error!r})") from error


def read_object(response: httpx.Response) -> dict[str, Any]:
    """Reads an answer that is a JSON object.

    Raises:
        UnexpectedAnswer: If the answer is anything else.
    """
    try:
        answer: Any = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise UnexpectedAnswer(response.status_code, f"no JSON: {_shown(response)}") from error
    if not isinstance(answer, dict):
        raise UnexpectedAnswer(response.status_code, f"no JSON object: {_shown(response)}")
    return cast(dict[str, Any], answer)


def read_text(response: httpx.Response) -> str:
    """Reads an answer that is text in UTF-8.

    Raises:
        UnexpectedAnswer: If the answer is anything else.
    """
    try:
        return response.content.decode()
    except UnicodeDecodeError as error:
        raise UnexpectedAnswer(response.status_code, f"no text in UTF-8: {_shown(response)}") from error


def failure_of(response: httpx.Response) -> EarmarkError | None:
    """The error that a response reports; None if the request succeeded."""
    if response.is_success:
        return None
    wait_s = retry_after_s(response.headers)
    if response.headers.get("content-type", "").partition(";")[0].strip() != _PROBLEM_JSON:
        reason = f"no answer of Earmark: {_shown(response)}"
        return UnexpectedAnswer(response.status_code, reason, wait_s)
    try:
        problem = read_object(response)
    except UnexpectedAnswer as error:
        return error
    type_name = str(problem.get("type", "")).rpartition("/")[2]
    kind = PROBLEM_CLASSES.get(type_name, ProblemError)
    return kind(problem | {"status": response.status_code}, response.headers.get("x-request-id", ""), wait_s)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The time of a Retry-After header (RFC 9110, 10.2.3), in seconds; None without a valid header."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _shown(response: httpx.Response) -> str:
    """The beginning of a body for a message; `response.text` would trust the charset that the answer claims."""
    return repr(response.content[: 4 * _SHOWN_CHARS].decode(errors="replace")[:_SHOWN_CHARS])


def _result(result: Mapping[str, Any]) -> QueryResult:
    query = str(result["query"])
    return QueryResult(
        query=query,
        present=result["present"],
        clip_score=result["clip_score"],
        segments=tuple(
            Segment(query, segment["onset_s"], segment["offset_s"], segment["score"], segment["peak_s"])
            for segment in result["segments"]
        ),
        score=_curve(result.get("score")),
        similarity=_curve(result.get("similarity")),
        warnings=read_warnings(result),
    )


def read_text_warnings(text: str) -> tuple[tuple[AnswerWarning, ...], list[tuple[AnswerWarning, ...]]]:
    """Reads the warnings about the clip, and about each query, of an answer that is JSON or NDJSON.

    Raises:
        UnexpectedAnswer: If the text is not such an answer.
    """
    try:
        answers: list[Any] = [json.loads(line) for line in text.split("\n") if line]
        results = [result for answer in answers for result in answer.get("results", [answer])]
        return read_warnings(answers[0]["clip"]), [read_warnings(result) for result in results]
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise UnexpectedAnswer(HTTPStatus.OK, f"no answer of POST /localize ({error!r})") from error


def _curve(encoded: str | None) -> Float32 | None:
    return None if encoded is None else np.frombuffer(base64.b64decode(encoded), "<f4").astype(np.float32)


def read_warnings(owner: Mapping[str, Any]) -> tuple[AnswerWarning, ...]:
    """Reads the member `warnings` of a clip or of a result."""
    return tuple(
        AnswerWarning(warning["code"], warning["message"], warning.get("onset_s"), warning.get("offset_s"))
        for warning in owner["warnings"]
    )
