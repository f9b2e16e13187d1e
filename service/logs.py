"""Formats of the log lines: a constant message with fields, and the id of the current request."""

import json
import logging
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

_INTERVAL_S = 60.0

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

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
    """Limits how often something is logged: at most once a minute."""

    def __init__(self) -> None:
        self._last_s: float | None = None

    def is_due(self) -> bool:
        """Returns whether a minute has passed since this method returned true; true at the first call."""
        now_s = time.monotonic()
        if self._last_s is not None and now_s - self._last_s < _INTERVAL_S:
            return False
        self._last_s = now_s
        return True


class TextFormatter(logging.Formatter):
    """Lines such as `2026-01-31T12:00:00.000Z INFO service.api: message field=value request_id=...`."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record as one line, followed by the traceback if there is one."""
        formatted_fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_one_line(record.getMessage())}{formatted_fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """Lines that are one JSON object each."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record as one line, with the traceback as a member if there is one."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        } | _fields(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields passed as `extra`, and the id of the current request if there is one."""
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    current_id = request_id.get()
    return extra | {"request_id": current_id} if current_id else extra


def _one_line(message: str) -> str:
    return message.replace("\n", "\\n").replace("\r", "\\r")


def _time(record: logging.LogRecord) -> str:
    created = datetime.fromtimestamp(record.created, UTC)
    return created.isoformat(timespec="milliseconds").replace("+00:00", "Z")
