"""Formats of the log lines: a constant message with fields, and the id of the current request."""

import json
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

_INTERVAL_S = 60.0

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

MAX_CHARS = 200
"""Largest length of a message, a field or a line of a traceback; a client may have sent any of them."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def configure_logging(level: str, log_format: Literal["text", "json"]) -> None:
    """Sends every log line of the process to standard error.

    Args:
        level: Lowest severity that is written, such as "info".
        log_format: "text" for people, or "json" with one object per line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # otherwise each malformed form is logged twice


class Throttle:
    """Limits how often something is logged: at most once a minute.

    Args:
        clock: Returns a monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_s: float | None = None

    def is_due(self) -> bool:
        """Returns whether a minute has passed since this method returned true; true at the first call."""
        now_s = self._clock()
        if self._last_s is not None and now_s - self._last_s < _INTERVAL_S:
            return False
        self._last_s = now_s
        return True


class TextFormatter(logging.Formatter):
    """Lines such as `2026-01-31T12:00:00.000Z INFO service.api: message field=value request_id=...`."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record as one line, followed by the traceback if there is one."""
        formatted_fields = "".join(f" {name}={_cut(str(value))}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_cut(record.getMessage())}{formatted_fields}"
        return f"{line}\n{_traceback(self, record)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """Lines that are one JSON object each."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record as one line, with the traceback as a member if there is one."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
        } | {name: value if _is_short(value) else _cut(str(value)) for name, value in _fields(record).items()}
        if record.exc_info:
            line["traceback"] = _traceback(self, record)
        return json.dumps(line, default=str)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields passed as `extra`, and the id of the current request if there is one."""
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    current_id = request_id.get()
    return extra | {"request_id": current_id} if current_id else extra


def _cut(text: str) -> str:
    """Text in one line of at most `MAX_CHARS` characters, with characters that cannot be printed escaped."""
    start = text[: MAX_CHARS + 1]
    if not start.isprintable():
        start = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in start)
    return start if len(start) <= MAX_CHARS else f"{start[: MAX_CHARS - 3]}..."


def _is_short(value: object) -> bool:
    """Whether a value of a field can stand in JSON as it is."""
    return len(str(value)) <= MAX_CHARS


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback of a record; an exception's message may contain what a client sent, so every line is cut."""
    if not record.exc_info:
        return ""
    return "\n".join(map(_cut, formatter.formatException(record.exc_info).split("\n")))


def _time(record: logging.LogRecord) -> str:
    created = datetime.fromtimestamp(record.created, UTC)
    return created.isoformat(timespec="milliseconds").replace("+00:00", "Z")
