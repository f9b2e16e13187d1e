"""Reduces a query to the words that name its sound: "I can hear a dog!" and "The sound of a dog" become "dog".

The rules are versioned, because a model depends on them: the manifest of a bundle names the version that its text tower was
made for, and training, evaluation and the service apply that version. Version 0 has no rules. A version never changes once a
bundle uses it: other rules are a new version.

Version 1 removes capital letters, symbols and punctuation around the query, phrases that only say that something is heard
("I can hear", "there is", "the sound of", "can be heard"), and the article in front. It never touches what a person in the
recording says ("a man says I can hear you"), a negation, or the order of the words.
"""

import re
import unicodedata

NEWEST_NORMALIZER = 1
"""Newest version of the rules. Bundles may name a version from 0 to this one."""

_SURROUNDINGS = " \t.,;:!?\u2026\u00a1\u00bf\u3002\uff0c*~|/\\^=<>\u2022\u00b7\u2014\u2013-'\"`"
_LEADING = _SURROUNDINGS + "#@&+"
_BRACKETS_AND_CALLS = re.compile(r"[()\[\]{}<>!?\u2026]+|\.{2,}")
_SPACE_BEFORE_COMMA = re.compile(r" +(?=[,;:])")
_SYMBOL_CATEGORIES = ("So", "Sk", "Co", "Cn", "Cs")

_PRONOUN = r"(?:i|we|you|one|they|people)"
_ADVERB = r"(?:still |just |also |now |clearly )?"
_HEARD_IN = r"(?:the|this|that|my) (?:audio|recording|clip|file|audio file|sound file|video|track)"
_SOUND = (
    r"(?:(?:audio |sound )?(?:clips?|recordings?)|(?:background )?(?:sounds?|noises?)|sound effects?|audio)"
    r"(?: (?:of|made by|coming from|produced by|caused by)| that (?:is|are) made by)"
)
_OPENINGS = tuple(
    re.compile(rf"(?:{pattern})\s+(?=\S)")
    for pattern in (
        "please",
        r"(?:find|detect|locate|localize|search for|look for|listen for|show me|find me|give me|tell me)"
        r"(?: (?:all|every|each|any)(?: of)?)?"
        r"(?: (?:the )?(?:moments?|places?|parts?|times?|stretches|occurrences?|instances?) (?:of|with|where|when))?",
        rf"(?:when|where|at what time) (?:(?:is|are|was|were)(?: there)?|does|do|did|can {_PRONOUN} hear|{_PRONOUN} hear)",
        rf"(?:(?:can|could|do|does|did) {_PRONOUN} {_ADVERB}hear|(?:is|are|was|were) there)(?: any)?",
        rf"{_PRONOUN} {_ADVERB}(?:(?:can|could|might|may) {_ADVERB})?(?:hear|heard)",
        r"i(?: a|')?m (?:hearing|looking for|listening for|searching for)|looking for|hear",
        r"i (?:want|need|wish|would like|'d like) to (?:hear|find|detect|locate|search for)|i'd like to (?:hear|find|detect)",
        rf"(?:(?:in|on) {_HEARD_IN},? )?there(?:'s| is| are| was| were)",
        r"it(?:'s| is)|this is|that's|these are",
        r"(?:it |that |something that )?sounds like",
        rf"{_HEARD_IN} (?:contains|has|includes)",
        _SOUND,
    )
)
_PRODUCED = re.compile(
    r"(?:sounds?|noises?) (?:that |which )?((?:a|an|the) \w+(?: \w+)?) (?:makes?|is making|are making)"
)
_HEARD = re.compile(
    r"(?: that| which)? (?:(?:can|could|may|might) be|is|are|was|were|being)(?: clearly)? (?:heard|audible)(?![\w'])"
)
_ENDINGS = re.compile(rf",? (?:please|in {_HEARD_IN}|on {_HEARD_IN}|sound effects?|sfx)$")
_ARTICLE = re.compile(
    r"(?:an?|the|some)\s+(?=\S)(?!(?:few|lots?|couple|bit|number|pair|series|of|cap+ella)\b)"
    r"(?!(?:flat|sharp|minor|major)(?: (?:chord|key|scale|note|string)s?)?$)"
)
_QUOTED = re.compile(r"\b(?:says?|said|saying|tells?|telling|words?|phrase|lyrics)\b")
_NO_SOUND = re.compile(
    r"(?:me|you|him|us|them|it|myself|yourself|nothing|everything|anything|what|who|whom|how|why|if|whether|of|is|are|"
    r"was|were|be|been|to|and|or|but|that|which|no one|nobody)\b|(?:sounds?|noises?|her|one|this|these|those)$"
)
"""What follows an opening must name a sound of its own."""
_NEGATED = re.compile(r"(?:not|n't|never)\b")


def reduce_wording(query: str, version: int) -> str:
    """Applies the rules of a version to a query.

    A query keeps at least one letter or digit. A second application changes nothing.

    Args:
        query: A query whose characters are brought to their usual form (see `service.core.queries.normalize_query`).
        version: Version of the rules, 0 to NEWEST_NORMALIZER.

    >>> reduce_wording("I can hear a dog!", 1)
    'dog'
    >>> reduce_wording("A man says I can hear you", 1)
    'man says i can hear you'
    """
    if version == 0:
        return query
    text = _plain(query)
    while (shorter := _shortened(text)) != text:
        text = shorter
    return text


def _plain(query: str) -> str:
    """Lower-cases a query, and removes symbols, brackets and the punctuation around the query."""
    text = query.lower()
    if not text.isascii():
        text = "".join(
            " " if unicodedata.category(character) in _SYMBOL_CATEGORIES else character for character in text
        )
    return _trimmed(_BRACKETS_AND_CALLS.sub(" ", text)) or query


def _trimmed(text: str) -> str:
    text = " ".join(text.split())
    return _SPACE_BEFORE_COMMA.sub("", text.lstrip(_LEADING + " ").rstrip(_SURROUNDINGS + " "))


def _shortened(text: str) -> str:
    """Removes one phrase that names no sound, or the article in front; returns the text if there is none."""
    for opening in _OPENINGS:
        found = opening.match(text)
        if found and _names_a_sound(rest := _trimmed(text[found.end() :])):
            return rest
    found = _PRODUCED.fullmatch(text)
    if found:
        return _trimmed(found[1])
    for phrase in (_HEARD, _ENDINGS):
        found = phrase.search(text)
        if found and not _QUOTED.search(text, 0, found.start()):
            rest = _trimmed(f"{text[: found.start()]} {text[found.end() :]}")
            if _names_a_sound(text[: found.start()]):
                return rest
    found = _ARTICLE.match(text)
    return _trimmed(text[found.end() :]) if found and _has_letter_or_digit(text[found.end() :]) else text


def _names_a_sound(text: str) -> bool:
    return _has_letter_or_digit(text) and not _NO_SOUND.match(text) and not _NEGATED.match(text)


def _has_letter_or_digit(text: str) -> bool:
    return any(character.isalnum() for character in text)
