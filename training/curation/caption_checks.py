"""Checks a caption that a language model wrote: it may omit and correct words of its sources, but not add any."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import snowballstemmer
from rapidfuzz.distance import OSA
from spellchecker import SpellChecker

MAX_CHARS = 300
MAX_GROWTH, FREE_CHARS = 1.2, 20
"""A caption has at most MAX_GROWTH times the characters of its sources, plus FREE_CHARS."""
MIN_ENGLISH, MIN_DISTINCT_WORDS = 0.5, 3
"""Fraction of a caption's distinct words that must be in an English dictionary, if it has MIN_DISTINCT_WORDS or more."""
MAX_TYPO_EDITS = 2
"""Largest number of edits (insertions, deletions, substitutions and swaps of letters) between a typo and its correction."""
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
"""Words that neither name nor change a sound. Negations, numbers, genders, and words for order and places are excluded."""
SEQUENCE = frozenset({"finally", "first", "followed", "then"})
"""Further words accepted in a caption that joins several captions, which are in the order in which their sounds begin."""
NEGATIONS = frozenset({"cannot", "neither", "never", "no", "nobody", "none", "nor", "not", "nothing", "without"})
NEGATED_VERB = re.compile(r"n['’]t\b|\b(?:are|ca|could|did|do|does|had|has|have|is|was|were|would)nt\b")
SPEECH = frozenset({"speak", "spoke", "spoken", "speech", "talk", "say", "said", "tell", "told", "voic", "word"})
"""Word stems for speech. Each may replace transcribed speech or another of these words."""
QUOTED = re.compile(r"[\"“”][^\"“”]*[\"“”]?|(?<!\w)['‘].+['’](?!\w)|:\s*\w.*")
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)]*\s+\S")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")


def refusal_reason(sources: Sequence[str], caption: str) -> str | None:
    """Returns why a caption that was written from `sources` is refused, or None if it is accepted.

    A caption is accepted if all of these hold:

    - It has at least one word, is a single sentence, and has at most MAX_CHARS characters and at most
      MAX_GROWTH times the characters of its sources plus FREE_CHARS.
    - It is English. Its characters are ASCII, typographic quotes and dashes, or characters of its sources. If it has
      MIN_DISTINCT_WORDS or more distinct words, at least MIN_ENGLISH of them are in an English dictionary.
    - It has the same number of negations as its sources, not counting transcribed speech.
    - It adds no content word. Each content word shares its stem with a word of the sources, corrects a misspelt word of
      the sources, or joins or splits words of the sources. A word of SPEECH may replace transcribed speech. A caption
      that joins several sources may also use the words of SEQUENCE.
    """
    source = " ".join(sources)
    if not words(caption):
        return "no words are left"
    if SENTENCE_END.search(caption):
        return "more than one sentence"
    max_chars = min(MAX_CHARS, int(MAX_GROWTH * len(source)) + FREE_CHARS)
    if len(caption) > max_chars:
        return f"{len(caption)} characters; at most {max_chars} are accepted"
    if foreign := sorted(c for c in set(caption) if not c.isascii() and c not in TYPOGRAPHIC and c not in source):
        return f"characters that are not English: {' '.join(foreign)}"
    distinct = sorted(set(words(caption)))
    if len(distinct) >= MIN_DISTINCT_WORDS and len(_english(distinct)) < MIN_ENGLISH * len(distinct):
        return "not English"
    n_accepted, n_negations = sum(map(count_negations, sources)), count_negations(caption)
    if n_negations != n_accepted:
        return f"negations: {n_negations}; {n_accepted} are accepted, as in the original"
    sequence = SEQUENCE if len(set(sources)) > 1 else frozenset[str]()
    if added := [word for word in added_words(source, caption) if word not in sequence]:
        return f"new words: {', '.join(added)}"
    return None


def words(text: str) -> list[str]:
    """Splits a text into lower-case words. A hyphen separates words; an apostrophe and the letters after it are dropped."""
    return [re.split("['’]", word)[0] for word in WORD.findall(text.lower())]


def count_negations(text: str) -> int:
    """Counts the negations in a text, without those in transcribed speech."""
    without_speech = QUOTED.sub(" ", text.lower())
    return sum(word in NEGATIONS for word in words(without_speech)) + len(NEGATED_VERB.findall(without_speech))


def added_words(source: str, caption: str) -> list[str]:
    """Lists the content words of a caption that do not derive from any word of the source."""
    source_words, caption_words = words(source), words(caption)
    stems = {_stem(word) for word in source_words}
    joined = {a + b for a, b in pairwise(source_words)}
    split = {word for a, b in pairwise(caption_words) if a + b in source_words for word in (a, b)}
    misspelt = [word for word in set(source_words) - set(caption_words) if word not in _english([word])]
    speech = SPEECH if SPEECH & stems or QUOTED.search(source) else frozenset[str]()
    return [
        word
        for word in dict.fromkeys(caption_words)
        if word not in FUNCTION_WORDS
        and _stem(word) not in stems | speech | _function_stems()
        and word not in joined | split
        and not _corrects(word, misspelt)
    ]


def _corrects(word: str, misspelt: Sequence[str]) -> bool:
    """Whether an English word is the likely correction of a misspelt word."""
    # a correct word is not a typo of another word: "clinking" does not correct "clicking"
    if word not in _english([word]):
        return False
    return any(OSA.distance(word, typo) <= min(MAX_TYPO_EDITS, len(typo) // 3) for typo in misspelt)


@cache
def _dictionary() -> SpellChecker:
    return SpellChecker(language="en")


def _english(candidates: Sequence[str]) -> set[str]:
    """The candidates that are in the English dictionary."""
    return _dictionary().known(candidates)


@cache
def _stem(word: str) -> str:
    return snowballstemmer.stemmer("english").stemWord(word)


@cache
def _function_stems() -> frozenset[str]:
    return frozenset(map(_stem, FUNCTION_WORDS))
