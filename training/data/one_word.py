"""Captions that differ from a label's caption in one word, and so describe another sound: a dog growls instead of a dog barks."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.data.captions import LabelCaptions
from training.data.stems import stem, stems

GROUPS = (
    ("bark", "growl", "howl", "whimper", "snore", "sneeze"),
    ("barks", "growls", "howls", "whimpers", "pants", "snores"),
    ("barking", "growling", "howling", "whimpering", "panting", "snoring"),
    ("meow", "purr", "hiss"),
    ("meows", "purrs", "hisses"),
    ("meowing", "purring", "hissing"),
    ("man", "woman", "child"),
    ("male", "female"),
    ("speaks", "sings", "laughs", "cries", "coughs", "sneezes", "whistles", "screams", "whispers"),
    ("speaking", "singing", "laughing", "crying", "coughing", "sneezing", "whistling", "screaming", "whispering"),
    ("talking", "singing", "laughing", "crying", "coughing", "sneezing", "whistling", "screaming", "whispering"),
    ("laughter", "applause", "screaming", "coughing"),
    ("opens", "closes", "creaks", "slams"),
    ("opening", "closing", "creaking", "slamming"),
    ("opened", "closed", "slammed"),
    ("knock", "slam", "creak"),
    ("rings", "buzzes", "ticks"),
    ("ringing", "buzzing", "ticking"),
    ("starts", "stops", "idles"),
    ("dog", "cat", "cow", "sheep", "horse", "pig"),
    ("crow", "rooster", "duck", "pigeon", "owl", "seagull"),
    ("birds", "frogs", "crickets", "bees"),
    ("guitar", "piano", "violin", "flute", "trumpet", "saxophone", "cello", "clarinet"),
    ("drum", "cymbal", "bell", "gong"),
    ("car", "train", "helicopter", "airplane", "motorcycle", "boat"),
    ("rain", "wind", "thunder", "waves"),
    ("glass", "wood", "metal", "paper", "plastic"),
    ("gravel", "grass", "snow", "carpet", "wood"),
    ("breaking", "clinking", "scraping"),
    ("breaks", "clinks", "scrapes"),
    ("typing", "clicking"),
    ("saw", "drill", "hammer"),
    ("pouring", "dripping", "boiling", "splashing"),
    ("pours", "drips", "boils", "splashes"),
    ("siren", "horn", "alarm"),
    ("vacuum", "blender", "microwave", "dishwasher"),
    ("slow", "fast"),
)
"""Words that each name another sound in the same place of a sentence. A word may be in several groups."""


@dataclass(frozen=True, slots=True)
class OneWordOff:
    """A caption that is false of a label.

    Attributes:
        label: index of the label.
        text: a caption of the label in which one word is replaced.
    """

    label: int
    text: str


def one_word_off(entries: Sequence[LabelCaptions]) -> list[OneWordOff]:
    """Captions of labels in which one word is replaced by another word of its group.

    A word is left out as a replacement if the label, one of its captions, or a label that may be the same sound (`also`,
    `unsure`) contains it: then it may be true of the label.

    Args:
        entries: the labels, in the order of their indices.
    """
    results: dict[OneWordOff, None] = {}
    by_name = {entry.label: entry for entry in entries}
    for index, entry in enumerate(entries):
        related = [by_name[name] for name in (*entry.also, *entry.unsure) if name in by_name]
        used = stems(" ".join((entry.label, *entry.also, *entry.unsure, *entry.captions)))
        used |= stems(" ".join(text for other in related for text in other.captions))
        for caption in entry.captions:
            for text in _replaced(caption, used):
                results[OneWordOff(index, text)] = None
    return list(results)


def _replaced(caption: str, used: set[str]) -> list[str]:
    """A caption with each replacement that has none of the stems `used`."""
    words = caption.split()
    return [
        " ".join((*words[:place], replacement, *words[place + 1 :]))
        for place, word in enumerate(words)
        for group in GROUPS
        if word.lower() in group
        for replacement in group
        if stem(replacement) not in used
    ]
