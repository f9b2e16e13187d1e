"""Checks of queries, and the normalization of a query before the tokenizer."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from service.core.errors import QueriesMissing, QueryEmpty, QueryTooLong, TooManyQueries

QueryNormalization = Literal["none", "lowercase", "lowercase_strip_punctuation"]

_PUNCTUATION = re.compile(r"[^\w\s]|_")


def normalize_query(query: str, normalization: QueryNormalization) -> str:
    """Collapses spaces, composes characters (Unicode NFC), and applies the normalization of the manifest."""
    text = unicodedata.normalize("NFC", query)
    if normalization != "none":
        text = text.lower()
    if normalization == "lowercase_strip_punctuation":
        text = _PUNCTUATION.sub("", text)
    return " ".join(text.split())


def check_queries(queries: Sequence[str], max_queries: int, max_query_chars: int) -> None:
    """Checks that the queries of a request can be answered.

    Raises:
        QueriesMissing: If there is no query.
        TooManyQueries: If there are more than `max_queries` queries.
        QueryEmpty: If a query has no letter and no digit.
        QueryTooLong: If a query has more than `max_query_chars` characters.
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
