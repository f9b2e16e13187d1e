"""Fields of the log line that ends the current request; every part of the service can add fields to the line."""

import logging
from contextvars import ContextVar

RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""Names that a field cannot have, because `logging` uses them."""

request_fields: ContextVar[dict[str, object] | None] = ContextVar("request_fields", default=None)
"""Fields of the current request; None outside a request. `RequestMiddleware` sets the dictionary and logs it."""


def add_request_fields(**fields: object) -> None:
    """Adds fields to the log line of the current request; outside a request, nothing happens.

    A field with the same name is replaced. The fields must contain neither query text nor audio. The values are numbers,
    truth values or short strings; the log cuts longer strings.

    Raises:
        ValueError: If a field has a name that `logging` uses.

    >>> add_request_fields(key="batch-jobs")
    """
    if not RESERVED.isdisjoint(fields):
        raise ValueError(f"fields of a request cannot be named {sorted(RESERVED.intersection(fields))}")
    current = request_fields.get()
    if current is not None:
        current.update(fields)
