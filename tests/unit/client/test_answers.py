import time
from email.utils import formatdate

import httpx
import pytest

from service.client.answers import failure_of, retry_after_s
from service.client.errors import ProblemError, UnexpectedAnswer
from service.client.problems import AudioTooLong
from tests.unit.client.service import problem


def test_retry_after_is_a_number_of_seconds_or_a_date() -> None:
    assert retry_after_s({"retry-after": "7"}) == 7
    assert retry_after_s({"retry-after": formatdate(time.time() + 100)}) == pytest.approx(100, abs=60)
    assert retry_after_s({"retry-after": formatdate(0)}) == 0
    assert [retry_after_s({"retry-after": value}) for value in ("", "soon", "-3", "1.5")] == [None] * 4
    assert retry_after_s({}) is None


@pytest.mark.parametrize(
    "value", ["9" * 400, "Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "Mon, 01 Jan 2001 00:00:00 +99999999999999"]
)
def test_a_retry_after_beyond_all_numbers_is_none(value: str) -> None:
    assert retry_after_s({"retry-after": value}) is None


@pytest.mark.parametrize("status", [b"null", b'"abc"', b"[]", b"1e999", b"200"])
def test_the_status_of_a_problem_is_that_of_its_answer(status: bytes) -> None:
    body = b'{"type": "/problems/busy", "detail": "d", "status": ' + status + b"}"
    error = failure_of(httpx.Response(503, content=body, headers={"content-type": "application/problem+json"}))
    assert isinstance(error, ProblemError)
    assert error.status == 503


def test_a_problem_of_a_known_type_has_its_class_and_its_data() -> None:
    error = failure_of(
        problem("audio-too-long", 413, {"X-Request-ID": "r"}, limit_s=3600.0, setting="EARMARK_MAX_CLIP_S")
    )
    assert isinstance(error, AudioTooLong)
    assert (error.status, error.data, error.setting) == (413, {"limit_s": 3600.0}, "EARMARK_MAX_CLIP_S")
    assert (str(error), error.request_id) == ("detail of audio-too-long", "r")


def test_a_problem_of_an_unknown_type_is_a_problem() -> None:
    error = failure_of(problem("of-the-future", 418))
    assert type(error) is ProblemError
    assert error.status == 418


def test_a_success_is_no_failure_and_the_page_of_a_proxy_is_no_problem() -> None:
    assert failure_of(httpx.Response(204)) is None
    error = failure_of(httpx.Response(503, text="<html>", headers={"Retry-After": "3"}))
    assert isinstance(error, UnexpectedAnswer)
    assert error.retry_after_s == 3
