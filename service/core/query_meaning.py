"""Recognition of queries whose meaning a similarity cannot express: the absence of a sound, and an order of sounds.

The model compares the sound at each moment with the whole query. A query such as "no dog" is close to "dog", and "a bell after
a dog" is close to both sounds at any time.
"""

import re

_QUOTED = re.compile(r"\b(?:says?|said|saying|tells?|telling|words?|phrase|lyrics)\b.*")
"""What a person in the recording says means nothing for the query as a whole."""
_NEGATION = re.compile(
    r"\b(?:no(?! ?\.? ?\d)|not(?! only\b)|cannot|never|without|except|excluding|neither|nor|nobody|nothing(?! but\b)|none|"
    r"(?:absence|lack) of|anything but|other than|\w+n't|(?:do|does|did|is|are|was|were|ca|wo|should|would|could|have|has)nt)\b"
    r"|\bnon-(?!stop)"
)
_ORDER = re.compile(
    r"\b(?:after(?! all\b)|afterwards?|before|then|followed by|preceded by|precedes|follows|until|till|"
    r"succeeded by|in sequence with)\b"
)
_IDIOMS = re.compile(
    r"\b(?:no one|time after time|day after day|one after (?:another|the other)|(?:every )?now and then|soon after|"
    r"no matter|(?:answer|cr[iy]|scream|shout|yell)\w* no)\b"
)


def negation(query: str) -> str | None:
    """The words of a query that say that a sound is absent, or None.

    Args:
        query: A normalized query.

    >>> negation("no dog")
    'no'
    """
    return _first(_NEGATION, query)


def order(query: str) -> str | None:
    """The words of a query that put sounds in an order, or None.

    Args:
        query: A normalized query.

    >>> order("a bell after a dog")
    'after'
    """
    return _first(_ORDER, query)


def _first(pattern: re.Pattern[str], query: str) -> str | None:
    match = pattern.search(_IDIOMS.sub(" ", _QUOTED.sub("", query.lower())))
    return match[0] if match else None
