"""Checks of queries, and the normalization of a query before the tokenizer: the text contract of a model.

Training, evaluation and the service normalize queries and captions with the function of this module and the values of the
model (`query_normalization` and `query_normalizer_version` of the manifest).
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from service.core.errors import QueriesMissing, QueryEmpty, QueryTooLong, TooManyQueries
from service.core.query_wording import reduce_wording

QueryNormalization = Literal["none", "lowercase", "lowercase_strip_punctuation"]

_PUNCTUATION = re.compile(r"[^\w\s]|_")
_APOSTROPHES = "\u0060\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\uff07\uff40"
_QUOTATION_MARKS = '"\u00ab\u00bb\u201c\u201d\u201e\u201f\u2033\u2036\u300c\u300d\u300e\u300f\u301d\u301e\u301f\uff02'
_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys(_APOSTROPHES, "'"),
        **dict.fromkeys(_QUOTATION_MARKS, ""),
        **dict.fromkeys(_HYPHENS, "-"),
        **dict.fromkeys("_\uff3f\u203f\u2040", " "),
    }
)
_OPENING_QUOTES = re.compile(r"(?<!\w)'+")
_CLOSING_QUOTES = re.compile(r"'+(?!\w)")
_INVISIBLE_CATEGORIES = ("Cc", "Cf")  # control characters; format characters such as zero-width spaces and bidi marks
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
"""Characters of other categories that are not visible either: fillers and variation selectors."""


def normalize_query(query: str, normalization: QueryNormalization, version: int = 0) -> str:
    """Brings texts that look the same or mean the same to one form, and then applies the normalization of the manifest.

    Characters are brought to their usual form (Unicode NFKC: full-width letters and ligatures become letters). Invisible
    characters and quotation marks are removed. Apostrophes and hyphens become those of ASCII, underscores become spaces,
    and spaces are collapsed. Version 1 of the rules of `service.core.query_wording` also removes words that name no sound.
    A second normalization changes nothing.

    Args:
        query: A query or a caption.
        normalization: Normalization of the manifest.
        version: Version of the rules that reduce the query to the words that name its sound. Version 0 has no rules: it
            does not change plain English text.
    """
    text = _with_usual_characters(query, normalization)
    while version:
        reduced = _with_usual_characters(reduce_wording(text, version), normalization)
        if reduced == text:
            break
        text = reduced
    return text


def _with_usual_characters(query: str, normalization: QueryNormalization) -> str:
    text = query
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_CHARACTERS))
    text = _visible(text).translate(_CHARACTERS)
    if not text.isascii():  # composes characters that an invisible character separated
        text = unicodedata.normalize("NFKC", text)
    if normalization != "none":
        text = text.lower()
    unopened = _OPENING_QUOTES.sub("", text)
    if unopened != text:  # without an opening quote, it is the apostrophe of a plural: the dogs' barking
        text = _CLOSING_QUOTES.sub("", unopened)
    if normalization == "lowercase_strip_punctuation":
        text = _PUNCTUATION.sub("", text)
    return " ".join(text.split())


def _visible(text: str) -> str:
    """Removes invisible characters; those that are white space, such as tabs, become spaces."""
    if text.isprintable() and text.isascii():
        return text
    kept = (" " if character.isspace() else character for character in _INVISIBLE.sub("", text))
    return "".join(character for character in kept if unicodedata.category(character) not in _INVISIBLE_CATEGORIES)


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
        if not any(map(str.isalnum, _INVISIBLE.sub("", query))):
            raise QueryEmpty(number, query)
