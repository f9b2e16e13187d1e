"""What a query may be, and the form in which the text tower reads it."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from service.core.errors import QueriesMissing, QueryEmpty, QueryTooLong, TooManyQueries

QueryNormalization = Literal["none", "lowercase", "lowercase_strip_punctuation"]

_PUNCTUATION = re.compile(r"[^\w\s]|_")


def normalize_query(query: str, normalization: QueryNormalization) -> str:
    """The form in which the text tower reads a query: spaces collapsed, and what the manifest says besides."""
    text = unicodedata.normalize("NFC", query)
    if normalization != "none":
        text = text.lower()
    if normalization == "lowercase_strip_punctuation":
        text = _PUNCTUATION.sub("", text)
    return " ".join(text.split())


def check_queries(queries: Sequence[str], max_queries: int, max_query_chars: int) -> None:
    """Refuses queries that cannot be answered.

    Raises:
        QueriesMissing: If there is none.
        TooManyQueries: If there are more than `max_queries`.
        QueryEmpty: If one holds neither letter nor digit.
        QueryTooLong: If one has more than `max_query_chars` characters.
    """
    if not queries:
        raise QueriesMissing
    if len(queries) > max_queries:
        raise TooManyQueries(len(queries), max_queries)
    for number, query in enumerate(queries, start=1):
        if len(query) > max_query_chars:
            raise QueryTooLong(number, len(query), max_query_chars)
        if not any(character.isalnum() for character in query):
            raise QueryEmpty(number, query)
