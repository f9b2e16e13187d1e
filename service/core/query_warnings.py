"""Warnings about a query: their codes, and the sentences that explain them."""

from service.core.query_language import foreign_language
from service.core.query_meaning import negation, order
from service.core.warnings import AnswerWarning

QUERY_WARNINGS = {
    "query-cut": "The query is longer than the model reads. The message says how many of its words were read.",
    "query-language-unknown": "The query seems to be in a language other than English, or has letters of another script.",
    "query-negation": "The query says that a sound is absent, as in `no dog`. The model does not understand negation: "
    "it finds the dog.",
    "query-order": "The query puts sounds in an order, as in `a bell after a dog`. The model does not understand order: "
    "it searches for all the words at the same time.",
}
"""Meaning of each code that a warning about a query may have."""


def cut_warning(text: str, n_read_chars: int, max_tokens: int) -> AnswerWarning:
    """The warning about a query whose first `n_read_chars` characters were read, and whose rest was not."""
    n_words, n_read = len(text.split()), len(text[:n_read_chars].split())
    return AnswerWarning(
        "query-cut",
        f"the query is too long: its first {n_read} of {n_words} words were read, and the rest was not; "
        f"the model reads at most {max_tokens} tokens (words or parts of words)",
    )


def language_warning(text: str) -> AnswerWarning | None:
    """The warning about a normalized query that is not English, or None."""
    language = foreign_language(text)
    if language is None:
        return None
    message = f"the query seems to be in another language ({language}); the model knows English only"
    return AnswerWarning("query-language-unknown", message)


def negation_warning(text: str) -> AnswerWarning | None:
    """The warning about a normalized query that says that a sound is absent, or None."""
    words = negation(text)
    if words is None:
        return None
    return AnswerWarning(
        "query-negation",
        f"the model does not understand negation ('{words}'): it finds the sounds that the query names, even where the query "
        "says that they are absent; search for the sound itself, and read where it is not heard",
    )


def order_warning(text: str) -> AnswerWarning | None:
    """The warning about a normalized query that puts sounds in an order, or None."""
    words = order(text)
    if words is None:
        return None
    return AnswerWarning(
        "query-order",
        f"the model does not understand order ('{words}'): it searches for all the words of the query at the same time; "
        "search for each sound with a query of its own, and compare the times of the segments",
    )
