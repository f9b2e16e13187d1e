"""Stems of English words: words without the endings of plurals and verbs, to compare texts by their words."""

import re
from collections import Counter
from collections.abc import Sequence

from training.data.phrases import NEUTRAL

KEY_SHARE = 0.2
"""A stem is a key of a label if at least this share of the label's captions contains it."""


def stem(word: str) -> str:
    """A word without the endings of plurals and verbs.

    >>> [stem(word) for word in ("barks", "barking", "crunches", "opened", "cries", "crying", "glass", "voice", "voices")]
    ['bark', 'bark', 'crunch', 'open', 'cr', 'cr', 'glass', 'voic', 'voic']
    """
    if word.endswith("ss"):
        return word
    for ending in ("ying", "ing", "ies", "ches", "shes", "ses", "ed", "es", "y", "e", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            return word.removesuffix("es" if ending in ("ches", "shes", "ses") else ending)
    return word


def stems(text: str) -> set[str]:
    """The stems of all words of a text."""
    return {stem(word) for word in re.findall(r"[a-z]+", text.lower())}


def key_stems(captions: Sequence[str]) -> set[str]:
    """The stems that name a label: those in many of its captions, without neutral words such as "loud"."""
    counts = Counter(word for caption in captions for word in stems(caption))
    return {word for word, count in counts.items() if count >= KEY_SHARE * len(captions)} - {stem(n) for n in NEUTRAL}
