"""How a log line looks: a constant message with fields, and the id of the request that it belongs to."""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def configure_logging(level: str, log_format: Literal["text", "json"]) -> None:
    """Sends every log line of the process to standard error.

    Args:
        level: Least severity that is written, such as "info".
        log_format: For people, or one JSON object a line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # else each malformed form is told twice


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO service.api: message field=value request_id=...`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback under it if there is one."""
        shown = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_one_line(record.getMessage())}{shown}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, the traceback inside it."""
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
    """What was given as `extra`, and the request's id."""
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    current = request_id.get()
    return given | {"request_id": current} if current else given


def _one_line(message: str) -> str:
    return message.replace("\n", "\\n").replace("\r", "\\r")


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
