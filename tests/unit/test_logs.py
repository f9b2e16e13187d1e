import json
import logging
import re
import sys
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


HUGE = "X" * 70_000


def _crash_record(message: str) -> logging.LogRecord:
    try:
        raise ValueError(message)
    except ValueError:
        return logging.getLogger("x").makeRecord("x", logging.ERROR, "x.py", 1, "crash", (), sys.exc_info())


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
@pytest.mark.parametrize(
    "record",
    [_record(HUGE), _record("request", method=HUGE), _record("x", names=[HUGE, HUGE]), _crash_record(HUGE)],
    ids=["message", "field", "list", "traceback"],
)
def test_nothing_is_longer_than_200_characters(formatter: logging.Formatter, record: logging.LogRecord) -> None:
    line = formatter.format(record)
    assert "X" * 150 in line
    assert "X" * 201 not in line


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
@pytest.mark.parametrize("text", ["a\nERROR forged", "a\x1b[2Jb", "a\u2028b", "\ud800"])
def test_a_field_cannot_forge_lines_or_control_a_terminal(formatter: logging.Formatter, text: str) -> None:
    line = formatter.format(_record(text, field=text))
    assert line.isprintable()
    assert line.encode()


def test_numbers_stay_numbers_in_json() -> None:
    line = json.loads(JsonFormatter().format(_record("x", count=3, share=0.5, names=["a", "b"], nothing=None)))
    assert (line["count"], line["share"], line["names"], line["nothing"]) == (3, 0.5, ["a", "b"], None)
