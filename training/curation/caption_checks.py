"""What a language model's caption must hold to: it may leave out and correct, and may not add."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import snowballstemmer
from rapidfuzz.distance import OSA
from spellchecker import SpellChecker

MAX_CHARS = 300
MAX_GROWTH, FREE_CHARS = 1.2, 20
MIN_ENGLISH, FEWEST_JUDGED = 0.5, 3
MAX_TYPO_EDITS = 2
TYPOGRAPHIC = "‘’“”–—…"

FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a about again against all along also an and another any are as at audible be been begin being between both but by can
        continue continuous could do does each either end every for from had has have hear heard here if in into is it its
        itself just like made make moment occur of off on only onto or other out over own person same so some somebody someone
        something sometimes soon sound start still stop such than that the their them there these they thing this those
        through throughout time to together up very was were what when where which who whose will with""",
    )
)
"""Those that tell of no sound and change none: negations, numbers, order, places and genders are not among them."""
SEQUENCE = frozenset({"finally", "first", "followed", "then"})
"""Function words too where a caption joins several: these come in the order in which their sounds begin."""
NEGATIONS = frozenset({"cannot", "neither", "never", "no", "nobody", "none", "nor", "not", "nothing", "without"})
NEGATED_VERB = re.compile(r"n['’]t\b|\b(?:are|ca|could|did|do|does|had|has|have|is|was|were|would)nt\b")
SPEECH = frozenset({"speak", "spoke", "spoken", "speech", "talk", "say", "said", "tell", "told", "voic", "word"})
"""Stems, one of which may stand for transcribed speech, or for another of them."""
QUOTED = re.compile(r"[\"“”][^\"“”]*[\"“”]?|(?<!\w)['‘].+['’](?!\w)|:\s*\w.*")
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)]*\s+\S")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")


def refusal(sources: Sequence[str], caption: str) -> str | None:
    """Why a caption that was written from these ones cannot stand, or None.

    It must hold something, be one sentence of at most MAX_CHARS and not clearly longer than its sources, be English (at
    least half of its words, where it has three or more, are in an English dictionary, and its characters are ASCII,
    typographic quotes and dashes, or those of its sources), deny as often as they do, speech transcribed aside, and tell
    of nothing that its sources do not tell of: each content word must have a stem of theirs, correct a misspelt word of
    theirs, or join or part words of theirs; one for speech may stand for speech transcribed. Of words of order, a
    sentence over several captions may add those of SEQUENCE.
    """
    source = " ".join(sources)
    if not words(caption):
        return "nothing is left"
    if SENTENCE_END.search(caption):
        return "more than one sentence"
    longest = min(MAX_CHARS, int(MAX_GROWTH * len(source)) + FREE_CHARS)
    if len(caption) > longest:
        return f"{len(caption)} characters; at most {longest} are accepted"
    if foreign := sorted(c for c in set(caption) if not c.isascii() and c not in TYPOGRAPHIC and c not in source):
        return f"characters that are not English: {' '.join(foreign)}"
    distinct = sorted(set(words(caption)))
    if len(distinct) >= FEWEST_JUDGED and len(_english(distinct)) < MIN_ENGLISH * len(distinct):
        return "not English"
    theirs, own = sum(map(denials, sources)), denials(caption)
    if own != theirs:
        return f"negations: {own}; as many as there were, {theirs}, are accepted"
    joining = SEQUENCE if len(set(sources)) > 1 else frozenset[str]()
    if invented := [word for word in inventions(source, caption) if word not in joining]:
        return f"new words: {', '.join(invented)}"
    return None


def words(text: str) -> list[str]:
    """The words of a text in lower case; hyphens part them, apostrophes and what follows them are left out."""
    return [re.split("['’]", word)[0] for word in WORD.findall(text.lower())]


def denials(text: str) -> int:
    """How often a text denies something, outside of the speech that it transcribes."""
    told = QUOTED.sub(" ", text.lower())
    return sum(word in NEGATIONS for word in words(told)) + len(NEGATED_VERB.findall(told))


def inventions(source: str, caption: str) -> list[str]:
    """The content words of a caption that nothing in the source accounts for."""
    theirs, own = words(source), words(caption)
    stems = {_stem(word) for word in theirs}
    joined = {a + b for a, b in pairwise(theirs)}
    parted = {word for a, b in pairwise(own) if a + b in theirs for word in (a, b)}
    misspelt = [word for word in set(theirs) - set(own) if word not in _english([word])]
    speech = SPEECH if SPEECH & stems or QUOTED.search(source) else frozenset[str]()
    return [
        word
        for word in dict.fromkeys(own)
        if word not in FUNCTION_WORDS
        and _stem(word) not in stems | speech | _function_stems()
        and word not in joined | parted
        and not _corrects(word, misspelt)
    ]


def _corrects(word: str, misspelt: Sequence[str]) -> bool:
    # real words are no typos of each other: "clinking" does not correct "clicking"
    if word not in _english([word]):
        return False
    return any(OSA.distance(word, typo) <= min(MAX_TYPO_EDITS, len(typo) // 3) for typo in misspelt)


@cache
def _dictionary() -> SpellChecker:
    return SpellChecker(language="en")


def _english(candidates: Sequence[str]) -> set[str]:
    return _dictionary().known(candidates)


@cache
def _stem(word: str) -> str:
    return snowballstemmer.stemmer("english").stemWord(word)


@cache
def _function_stems() -> frozenset[str]:
    return frozenset(map(_stem, FUNCTION_WORDS))
