"""Other wordings of captions: how people search for a sound ("I can hear ..."), plurals, and the order of words."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator

from training import seeds
from training.data.captions import LabelCaptions
from training.data.phrases import held_out_captions, read_phrases

TEMPLATES = (
    "I can hear {}",
    "I hear {}",
    "you can hear {}",
    "we hear {}",
    "the sound of {}",
    "sound of {}",
    "a sound of {}",
    "the noise of {}",
    "sounds like {}",
    "{} can be heard",
    "{} is heard",
    "{} sound",
    "{} sounds",
    "{} noise",
    "{} audio",
    "{} in the background",
    "{} in the distance",
    "{} nearby",
    "a recording of {}",
    "an audio clip of {}",
    "this is the sound of {}",
    "there is {}",
    "there's {} somewhere",
    "listen for {}",
    "find {}",
    "find all {}",
    "where is {}",
    "when do you hear {}",
    "every time {}",
    "someone hears {}",
    "the moment when {}",
    "loud {}",
    "quiet {}",
    "{} again and again",
    "{} several times",
)


@dataclass(frozen=True, slots=True)
class WordingConfig:
    """Wordings of labels beside the captions that were written for training."""

    phrases: Path | None = None
    """JSON Lines file with real phrases of labels (`training.data.phrases`), which are captions too. None: no phrases."""
    variants: int = 0
    """Number of other wordings of each label's captions that are captions too; each is drawn once, before the run."""


def plural(caption: str) -> str:
    """A caption about one thing as a caption about several, if it begins with an article, a noun and a verb.

    >>> plural("a baby cries loudly"), plural("a dog is barking"), plural("rain")
    ('babies cry loudly', 'dogs are barking', 'rain')
    """
    match = re.fullmatch(r"(?:an?|the) ([a-z]+) (is|[a-z]+s)\b(.*)", caption)
    if match is None or match[2].endswith("ss"):
        return caption
    noun, verb, rest = match.groups()
    return f"{_noun_plural(noun)} {'are' if verb == 'is' else _verb_plural(verb)}{rest}"


def _noun_plural(noun: str) -> str:
    irregular = {
        "man": "men",
        "woman": "women",
        "child": "children",
        "person": "people",
        "sheep": "sheep",
        "goose": "geese",
    }
    if noun in irregular:
        return irregular[noun]
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(s|x|z|ch|sh)$", noun) else "s")


def _verb_plural(verb: str) -> str:
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    return verb[:-2] if re.search(r"(sses|xes|zzes|ches|shes|oes)$", verb) else verb[:-1]


def reordered(caption: str) -> str:
    """A caption with its parts in another order: around a comma, or the two words of a caption of two words.

    >>> reordered("dog barking"), reordered("rain, thunder"), reordered("a dog barks")
    ('barking dog', 'thunder, rain', 'a dog barks')
    """
    first, comma, second = caption.partition(", ")
    if comma:
        return f"{second}, {first}"
    words = caption.split()
    return " ".join(reversed(words)) if len(words) == 2 else caption


def without_article(caption: str) -> str:
    """A caption without articles, as people type queries.

    >>> without_article("a dog barks at the door")
    'dog barks at door'
    """
    return " ".join(word for word in caption.split() if word not in ("a", "an", "the"))


def wording(rng: Generator, caption: str) -> str:
    """A random other wording of a caption; sometimes the caption itself, where no change applies."""
    changes: tuple[Callable[[str], str], ...] = (plural, reordered, without_article)
    if rng.random() < 0.4:
        caption = changes[int(rng.integers(len(changes)))](caption)
    return TEMPLATES[int(rng.integers(len(TEMPLATES)))].format(caption) if rng.random() < 0.75 else caption


def variants(rng: Generator, captions: Sequence[str], count: int) -> tuple[str, ...]:
    """Up to `count` different other wordings of captions."""
    drawn = (wording(rng, captions[int(rng.integers(len(captions)))]) for _ in range(count))
    return tuple(dict.fromkeys(text for text in drawn if text not in captions))


def reworded(entries: Mapping[str, LabelCaptions], config: WordingConfig) -> dict[str, LabelCaptions]:
    """Entries of labels, whose captions are extended by real phrases and by other wordings of all captions.

    No added caption is one of the captions that the benchmark holds out.
    """
    held_out = held_out_captions()
    phrases = read_phrases(config.phrases) if config.phrases else {}
    result: dict[str, LabelCaptions] = {}
    for number, (label, entry) in enumerate(sorted(entries.items())):
        captions = tuple(dict.fromkeys((*entry.captions, *phrases.get(label, ()))))
        rng = np.random.default_rng(seeds.numbered(seeds.WORDING, number))
        added = (*captions[len(entry.captions) :], *variants(rng, captions, config.variants))
        kept = (text for text in added if text.lower() not in held_out)
        result[label] = replace(entry, captions=(*entry.captions, *kept))
    return result
