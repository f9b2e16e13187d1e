"""Log lines of the process, made with structlog: JSON for programs, or text for people, in colours on a terminal.

The modules of the service and the libraries, such as uvicorn, log with `logging`; one formatter writes all records.
"""

import logging
import math
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter
from structlog.processors import EventRenamer, ExceptionRenderer, JSONRenderer
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, ExcInfo, WrappedLogger

from service.logs import request_id, trace_id

LogFormat = Literal["text", "json"]

MAX_CHARS = 200
"""Largest length of a message, a field or a line of a traceback; a client may have sent any of them."""
MAX_TRACEBACK_LINES = 100
"""Largest number of lines of a traceback; of a longer traceback, the first and the last lines are logged."""
_FIRST_LINES = 20

_HEAD = ("time", "level", "logger", "message")
_TRACEBACK, _STACK = "exception", "stack"  # names that `ConsoleRenderer` writes below the line
_OF_LINES = (_TRACEBACK, _STACK)
_NOT_LOGGED = ("color_message", "asctime")
"""Fields that uvicorn and `logging` add to records, and that repeat the message or the time."""

log = logging.getLogger(__name__)


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Sends every log line of the process, its uncaught exceptions and its warnings to standard error.

    Args:
        level: Lowest severity that is written, such as "info".
        log_format: "text" for people, or "json" with one object per line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(make_formatter(log_format, colors=wants_colors(handler.stream, os.environ)))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # otherwise each malformed form is logged twice
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def wants_colors(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether lines on a stream are coloured: on a terminal, unless `NO_COLOR` is set or the terminal is dumb."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def make_formatter(log_format: LogFormat, *, colors: bool = False) -> ProcessorFormatter:
    """A formatter of log records.

    Args:
        log_format: "text" for lines such as `2026-01-31T12:00:00.000Z INFO service.api: message field=value`, followed
            by the traceback if there is one; "json" for one object per line, with the traceback as a member.
        colors: Whether text has colours.
    """
    if log_format == "json":
        render = [_shorten, JSONRenderer(default=str)]
    else:
        render = [_escape, ConsoleRenderer(columns=_columns(colors), sort_keys=False)]
    return ProcessorFormatter(
        processors=[
            EventRenamer("message"),  # first, so that no field can replace the message
            ExtraAdder(),
            add_log_level,
            add_logger_name,
            _add_context,
            ProcessorFormatter.remove_processors_meta,
            ExceptionRenderer(_traceback),
            *render,
        ]
    )


def _add_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Adds the time and the ids of the current request and its trace; brings the fields into the order of the line."""
    created = datetime.fromtimestamp(event["_record"].created, UTC)
    event["time"] = created.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for name in _NOT_LOGGED:
        event.pop(name, None)
    if stack := event.pop("stack_info", None):
        event[_STACK] = _cut_lines(str(stack))
    line = {name: event.pop(name) for name in _HEAD}
    line.update(event)
    if current_id := request_id.get():
        line["request_id"] = current_id
    if current_trace_id := trace_id.get():
        line["trace_id"] = current_trace_id
    return line


def _traceback(exc_info: ExcInfo) -> str:
    """The traceback of an exception; the exception's message may contain what a client sent, so every line is cut."""
    return _cut_lines("".join(traceback.format_exception(*exc_info)))


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Writes every field as text of one line."""
    return {name: value if name in _OF_LINES else cut(str(value)) for name, value in event.items()}


def _shorten(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keeps values that are short and valid in JSON as they are, and cuts the others; JSON escapes the characters."""
    for name, value in event.items():
        if name == "message":
            event[name] = cut(value)
        elif isinstance(value, float):
            if not math.isfinite(value):
                event[name] = str(value)
        elif value is not None and name not in _OF_LINES and len(text := str(value)) > MAX_CHARS:
            event[name] = cut(text)
    if _TRACEBACK in event:
        event["traceback"] = event.pop(_TRACEBACK)
    return event


def cut(text: str) -> str:
    """Text in one line of at most `MAX_CHARS` characters, with characters that cannot be printed escaped."""
    start = text[: MAX_CHARS + 1]
    if not start.isprintable():
        start = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in start)
    return start if len(start) <= MAX_CHARS else f"{start[: MAX_CHARS - 3]}..."


def _cut_lines(text: str) -> str:
    lines = text.rstrip("\n").split("\n")
    if len(lines) > MAX_TRACEBACK_LINES:
        left_out = len(lines) - MAX_TRACEBACK_LINES
        last = lines[_FIRST_LINES + left_out :]
        lines = [*lines[:_FIRST_LINES], f"  ... {left_out} lines are left out ...", *last]
    return "\n".join(map(cut, lines))


def _columns(colors: bool) -> list[Column]:
    """The columns of a line of text; the column without a name is that of all other fields."""
    style = ConsoleRenderer.get_default_column_styles(colors)
    level_styles = ConsoleRenderer.get_default_level_styles(colors)

    def level(key: str, value: object) -> str:  # noqa: ARG001 - structlog's signature
        return f"{level_styles.get(str(value), '')}{str(value).upper()}{style.reset}"

    def column(name: str, value_style: str, postfix: str = "") -> Column:
        return Column(name, KeyValueColumnFormatter(None, value_style, style.reset, str, postfix=postfix))

    return [
        column("time", style.timestamp),
        Column("level", level),
        column("logger", style.logger_name, postfix=":"),
        column("message", style.bright),
        Column("", KeyValueColumnFormatter(style.kv_key, style.kv_value, style.reset, _quoted)),
    ]


def _quoted(value: object) -> str:
    """The text of a field; in quotation marks if it has spaces or such, so that it cannot look like other fields."""
    text = str(value)
    if text and not any(char in text for char in ' ="'):
        return text
    escaped = text.replace('"', '\\"')
    return f'"{escaped}"'


def _log_crash(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("the process crashed", exc_info=(kind, error, trace))


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is not None and not isinstance(crash.exc_value, SystemExit):
        thread = crash.thread.name if crash.thread else None
        log.critical("a thread crashed", exc_info=crash.exc_value, extra={"thread_name": thread})
