"""Writing of results to standard output, and of warnings to standard error."""

import sys
from collections.abc import Iterable
from typing import Protocol

from service.standard_streams import write_line


class WarningLike(Protocol):
    """A warning of the service or of the client."""

    @property
    def message(self) -> str:
        """Explanation for people."""
        ...

    @property
    def onset_s(self) -> float | None:
        """Start of the stretch that the warning is about, in seconds; None if it is about the whole clip or a query."""
        ...

    @property
    def offset_s(self) -> float | None:
        """End of the stretch, in seconds."""
        ...


def write_for_people(text: str) -> None:
    """Writes text to standard output; characters that its encoding does not have are escaped, such as \\u72ac."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
    sys.stdout.flush()


def write_for_programs(text: str) -> None:
    """Writes text to standard output in UTF-8, whatever the encoding of the terminal is."""
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # standard output is replaced by an object for text only
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    stream.write(text.encode())
    stream.flush()


def can_show(characters: str) -> bool:
    """Whether the encoding of standard output has all of some characters."""
    try:
        characters.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def write_warnings(clip: Iterable[WarningLike], queries: Iterable[Iterable[WarningLike]]) -> None:
    """Writes warnings to standard error, one per line.

    Args:
        clip: The warnings about the clip.
        queries: The warnings about each query.
    """
    for message in [*map(_sentence, clip), *query_messages(queries)]:
        write_line(sys.stderr, f"earmark: warning: {message}")


def query_messages(queries: Iterable[Iterable[WarningLike]]) -> list[str]:
    """The warnings about each query as text, such as "query 2: the query is too long"."""
    return [
        f"query {number}: {_sentence(warning)}"
        for number, warnings in enumerate(queries, start=1)
        for warning in warnings
    ]


def _sentence(warning: WarningLike) -> str:
    if warning.onset_s is None or warning.offset_s is None:
        return warning.message
    return f"{warning.message} ({warning.onset_s:.2f} to {warning.offset_s:.2f} s)"
