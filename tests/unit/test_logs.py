import json
import logging
import re
from collections.abc import Iterator

import pytest

from service.logs import JsonFormatter, TextFormatter, request_id


@pytest.fixture
def in_request() -> Iterator[None]:
    token = request_id.set("r-1")
    yield
    request_id.reset(token)


def _record(message: str, **extra: object) -> logging.LogRecord:
    return logging.getLogger("service.x").makeRecord(
        "service.x", logging.INFO, "x.py", 1, message, (), None, extra=extra
    )


@pytest.mark.usefixtures("in_request")
def test_a_text_line_has_time_level_message_fields_and_request_id() -> None:
    line = TextFormatter().format(_record("request", status=200))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO service\.x: request status=200 request_id=r-1", line
    )


@pytest.mark.usefixtures("in_request")
def test_a_json_line_has_the_same_content() -> None:
    line = json.loads(JsonFormatter().format(_record("request", status=200)))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "service.x",
        "message": "request",
        "status": 200,
        "request_id": "r-1",
    }


def test_outside_a_request_there_is_no_request_id() -> None:
    assert "request_id" not in TextFormatter().format(_record("started"))


def test_a_message_with_line_breaks_is_one_line() -> None:
    assert "\n" not in TextFormatter().format(_record("a\nb\rc"))
