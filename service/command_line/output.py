"""Writing of results to standard output, and of warnings to standard error."""

import sys

from service.core.localization import query_warnings
from service.core.warnings import AnswerWarning
from service.engine.interface import Localization
from service.standard_streams import write_line


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


def write_warnings(localization: Localization) -> None:
    """Writes the warnings of an answer to standard error, one per line."""
    for warning in localization.warnings:
        write_line(sys.stderr, f"earmark: warning: {_sentence(warning)}")
    for number, warnings in enumerate(query_warnings(localization.results), start=1):
        for warning in warnings:
            write_line(sys.stderr, f"earmark: warning: query {number}: {_sentence(warning)}")


def _sentence(warning: AnswerWarning) -> str:
    if warning.onset_s is None or warning.offset_s is None:
        return warning.message
    return f"{warning.message} ({warning.onset_s:.2f} to {warning.offset_s:.2f} s)"
