"""Recognition of queries that are not English, the language of the captions from which models are trained.

The rule is careful: a query is only called foreign if letters of another script or frequent words of another language
say so. Statistical models of language err on short queries: of 64,382 English captions, py3langid calls 3 % foreign.
"""

import re
import unicodedata

from service.core.foreign_words import FOREIGN_WORDS, NEUTRAL_WORDS

_WORD = re.compile(r"[^\W\d_]+")
_KNOWN_SCRIPTS = ("LATIN", "MODIFIER")


def foreign_language(query: str) -> str | None:
    """Names the script or the language of a query that is not English; None if nothing says that it is not.

    Args:
        query: A normalized query.

    >>> foreign_language("ein Hund bellt")
    'German'
    """
    words = _WORD.findall(query)
    if not query.isascii():
        script = next((script for word in words if (script := _foreign_script(word))), None)
        if script:
            return f"{script.capitalize()} script"
    return _language({word.lower() for word in words})


def _foreign_script(word: str) -> str | None:
    """Name of the first script in a word that is not the Latin script, or None."""
    scripts = [unicodedata.name(letter, "UNKNOWN").split()[0].partition("-")[0] for letter in word if letter.isalpha()]
    foreign = [script for script in scripts if script not in _KNOWN_SCRIPTS]
    if foreign in ([], ["GREEK"]):  # one Greek letter is a symbol, as in 20 \u03bcs
        return None
    return "Chinese" if foreign[0] == "CJK" else foreign[0]


def _language(words: set[str]) -> str | None:
    """The language to which more than half of the telling words belong, or None."""
    telling = {word for word in words if len(word) > 1 and word not in NEUTRAL_WORDS}
    hits = {language: len(telling & vocabulary) for language, vocabulary in FOREIGN_WORDS.items()}
    language = max(hits, key=lambda name: hits[name])
    unlisted = {word for word in telling if word.isascii() and word not in FOREIGN_WORDS[language]}
    return language if hits[language] > len(unlisted) else None
