"""Recognition of queries that are not English, the language of the captions from which models are trained.

The rule is conservative: a query counts as foreign only if it has letters of another script or frequent words of
another language. Statistical models of language are unreliable for short queries: of 64,382 English captions, py3langid
calls 3 % foreign.
"""

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from service.core.foreign_words import FOREIGN_WORDS, NEUTRAL_WORDS, WORDS_OF_NAMES

ENGLISH_WORDS = Path(__file__).with_name("english_words.txt")
"""File with the words of the captions that models are trained with."""
_WORD = re.compile(r"[^\W\d_]+")
_MIN_UNKNOWN = 2  # El Camino has one unknown word, un moustique bourdonne has two
_KNOWN_SCRIPTS = ("LATIN", "MODIFIER")


def foreign_language(query: str) -> str | None:
    """Names the script or the language of a query that is not English; None if it may be English.

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


@lru_cache(maxsize=1)
def _english_words() -> frozenset[str]:
    return frozenset(ENGLISH_WORDS.read_text(encoding="ascii").split())


def _language(words: set[str]) -> str | None:
    """The language that has more of the words than English, or None.

    A single word that also occurs in English names counts only if at least two other words are in no list.
    """
    significant = {word for word in words if len(word) > 1 and word not in NEUTRAL_WORDS}
    matches = {language: significant & vocabulary for language, vocabulary in FOREIGN_WORDS.items()}
    language = max(matches, key=lambda name: len(matches[name]))
    foreign = matches[language]
    english = (significant & _english_words()) - foreign
    if len(foreign) == 1 and foreign <= WORDS_OF_NAMES:
        unknown = significant - foreign - english
        return language if not english and len(unknown) >= _MIN_UNKNOWN else None
    return language if len(foreign) > len(english) else None
