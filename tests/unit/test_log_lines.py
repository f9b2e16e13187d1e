import json
import logging
import os
import pty
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

import pytest

from service.log_lines import MAX_TRACEBACK_LINES, make_formatter, wants_colors
from service.logs import request_id, trace_id

TEXT, JSON = make_formatter("text"), make_formatter("json")
ROOT = Path(__file__).parents[2]
either = pytest.mark.parametrize("formatter", [TEXT, JSON], ids=["text", "json"])


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
    line = TEXT.format(_record("request", status=200))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO service\.x: request status=200 request_id=r-1", line
    )


@pytest.mark.usefixtures("in_request")
def test_a_json_line_has_the_same_content() -> None:
    line = json.loads(JSON.format(_record("request", status=200)))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "service.x",
        "message": "request",
        "status": 200,
        "request_id": "r-1",
    }


def test_the_time_is_that_of_the_record() -> None:
    record = _record("x")
    record.created = 1_769_860_800.25
    assert json.loads(JSON.format(record))["time"] == "2026-01-31T12:00:00.250Z"


def test_outside_a_request_there_is_no_request_id() -> None:
    assert "request_id" not in TEXT.format(_record("started"))
    assert "trace_id" not in TEXT.format(_record("started"))


@either
def test_lines_of_a_traced_request_have_its_trace_id(formatter: logging.Formatter) -> None:
    token = trace_id.set("4bf92f3577b34da6a3ce929d0e0e4736")
    try:
        assert "4bf92f3577b34da6a3ce929d0e0e4736" in formatter.format(_record("request"))
    finally:
        trace_id.reset(token)


def test_a_message_with_line_breaks_is_one_line() -> None:
    assert "\n" not in TEXT.format(_record("a\nb\rc"))


HUGE = "X" * 70_000


def _crash_record(message: str) -> logging.LogRecord:
    try:
        raise ValueError(message)
    except ValueError:
        return logging.getLogger("x").makeRecord("x", logging.ERROR, "x.py", 1, "crash", (), sys.exc_info())


@either
@pytest.mark.parametrize(
    "record",
    [_record(HUGE), _record("request", method=HUGE), _record("x", names=[HUGE, HUGE]), _crash_record(HUGE)],
    ids=["message", "field", "list", "traceback"],
)
def test_nothing_is_longer_than_200_characters(formatter: logging.Formatter, record: logging.LogRecord) -> None:
    line = formatter.format(record)
    assert "X" * 150 in line
    assert "X" * 201 not in line


@either
@pytest.mark.parametrize("text", ["a\nERROR forged", "a\x1b[2Jb", "a\u2028b", "\ud800"])
def test_a_field_cannot_forge_lines_or_control_a_terminal(formatter: logging.Formatter, text: str) -> None:
    line = formatter.format(_record(text, field=text))
    assert line.isprintable()
    assert line.encode()


def test_a_field_with_spaces_cannot_look_like_other_fields() -> None:
    line = TEXT.format(_record("x", reason='full" status=200', plain="/localize", empty=""))
    assert line.endswith(r'x reason="full\" status=200" plain=/localize empty=""')


@either
def test_a_field_cannot_replace_the_message_the_level_or_the_logger(formatter: logging.Formatter) -> None:
    line = formatter.format(_record("true", event="forged", level="forged", logger="forged", time="forged"))
    assert line.count("forged") == 1
    assert all(text in line for text in ("true", "service.x", "event"))


def test_numbers_stay_numbers_in_json() -> None:
    line = json.loads(JSON.format(_record("x", count=3, share=0.5, names=["a", "b"], nothing=None, yes=True)))
    assert (line["count"], line["share"], line["names"], line["nothing"]) == (3, 0.5, ["a", "b"], None)
    assert line["yes"] is True


def test_numbers_that_json_does_not_have_become_text() -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    line = JSON.format(_record("x", wait_s=float("inf"), share=float("nan")))
    fields = json.loads(line, parse_constant=refuse)
    assert (fields["wait_s"], fields["share"]) == ("inf", "nan")


def test_a_traceback_is_a_member_in_json_and_follows_the_line_in_text() -> None:
    record = _crash_record("why")
    as_json = json.loads(JSON.format(record))
    first, *rest = TEXT.format(record).split("\n")
    assert first.endswith("ERROR x: crash")
    assert rest == as_json["traceback"].split("\n")
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-1] == "ValueError: why"


@either
def test_of_a_long_traceback_the_first_and_the_last_lines_are_kept(formatter: logging.Formatter) -> None:
    text = formatter.format(_crash_record("\n".join(f"cause {i}." for i in range(10_000))))
    assert text.count("cause") <= MAX_TRACEBACK_LINES
    assert "cause 0." in text
    assert "cause 9999." in text
    assert re.search(r"\.\.\. \d+ lines are left out \.\.\.", text)


@either
def test_a_stack_is_shown_too(formatter: logging.Formatter) -> None:
    record = _record("x")
    record.stack_info = "Stack (most recent call last):\n  File x.py" + HUGE
    line = formatter.format(record)
    assert "Stack (most recent call last):" in line
    assert "X" * 201 not in line


def test_uvicorns_coloured_copy_of_the_message_is_left_out() -> None:
    assert TEXT.format(_record("started", color_message="\x1b[36mstarted")).endswith("service.x: started")


def test_colours_do_not_change_the_text() -> None:
    record = _record("request", status=200, reason="a b")
    coloured = make_formatter("text", colors=True).format(record)
    assert "\x1b[32mINFO" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == TEXT.format(record)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (StringIO(), {}, False),
    ],
)
def test_only_a_terminal_gets_colours(stream: StringIO, environment: Mapping[str, str], expected: bool) -> None:
    assert wants_colors(stream, environment) is expected


def run_logging(code: str, log_format: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """Runs code in a process whose logging is configured."""
    start = (
        f"import logging\nfrom service.log_lines import configure_logging\nconfigure_logging('info', '{log_format}')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", start + textwrap.dedent(code)],
        cwd=ROOT,
        text=True,
        **({"stderr": subprocess.PIPE} | options),  # pyright: ignore[reportArgumentType, reportCallIssue]
    )


def test_libraries_warnings_and_crashes_of_threads_and_of_the_process_are_lines_of_the_same_format() -> None:
    run = run_logging(
        """
        import threading, warnings
        logging.getLogger("uvicorn.error").info("Started server process [%d]", 7, extra={"color_message": "x"})
        warnings.warn("old")
        thread = threading.Thread(target=lambda: 1 / 0, name="worker")
        thread.start()
        thread.join()
        raise RuntimeError("fault")
        """,
        "json",
    )
    assert run.returncode == 1
    started, warned, thread, crash = map(json.loads, run.stderr.splitlines())
    assert (started["logger"], started["message"]) == ("uvicorn.error", "Started server process [7]")
    assert "color_message" not in started
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert (thread["level"], thread["thread_name"]) == ("critical", "worker")
    assert thread["traceback"].endswith("ZeroDivisionError: division by zero")
    assert (crash["level"], crash["message"]) == ("critical", "the process crashed")
    assert crash["traceback"].endswith("RuntimeError: fault")


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_real_terminal_gets_colours_unless_no_color_is_set(no_color: str) -> None:
    ours, theirs = pty.openpty()
    try:
        environment = os.environ | {"TERM": "xterm", "NO_COLOR": no_color}
        run_logging("logging.getLogger('x').info('hello')", "text", stderr=theirs, env=environment)
        os.set_blocking(ours, False)
        line = os.read(ours, 10_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert "hello" in line
    assert ("\x1b[" in line) is (not no_color)
