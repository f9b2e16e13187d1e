"""The wordings of a new sound, and how far they are from the captions of the sounds that the model knows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.captions import FOLDER, LabelCaptions, read_label_captions
from training.own_sounds.encoders import BundleEncoders
from training.own_sounds.text_graph import Wordings

TEMPLATES = ("{}", "the sound of {}", "{} can be heard", "I can hear {}", "a recording of {}")
SAME_WORDS = 0.93
"""From this cosine on, a caption of a known label says the same as a wording of the new sound."""
LOWEST_GATE = 0.55
"""A query whose cosine with every wording is lower never means the new sound."""
FULL_SHARE = 0.5
"""Position of the cosine from which a query surely means the new sound, between the nearest other caption and 1."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownCaptions:
    """Captions of the known labels, with their query embeddings.

    Attributes:
        labels: Label of each caption, (N,).
        captions: The captions, (N,).
        embeddings: Query embeddings, (N, D).
    """

    labels: tuple[str, ...]
    captions: tuple[str, ...]
    embeddings: NDArray[np.float32]

    @classmethod
    def encode(cls, encoders: BundleEncoders, entries: Sequence[LabelCaptions] | None = None) -> "KnownCaptions":
        """Encodes the captions of labels; by default, of all labels that have written captions."""
        entries = list(read_label_captions(FOLDER / "labels.jsonl").values()) if entries is None else entries
        pairs = [(entry.label, caption) for entry in entries for caption in entry.captions]
        labels, captions = zip(*pairs, strict=True)
        return cls(labels, captions, encoders.queries(captions).embeddings)

    def nearest(self, keys: NDArray[np.float32]) -> NDArray[np.float32]:
        """Highest cosine of each caption with a key: (N,), from keys (K, D)."""
        return (self.embeddings @ keys.T).max(axis=1)

    def same_words(self, keys: NDArray[np.float32]) -> dict[str, str]:
        """Labels with a caption that says the same as a key, each with that caption."""
        close = np.flatnonzero(self.nearest(keys) >= SAME_WORDS)
        return {self.labels[index]: self.captions[index] for index in close}


def templated(names: Sequence[str]) -> list[str]:
    """The names of a sound and sentences with them, without repetitions."""
    return list(dict.fromkeys(template.format(name) for name in names for template in TEMPLATES))


def find_wordings(keys: NDArray[np.float32], known: KnownCaptions, ignored: frozenset[str]) -> Wordings:
    """Chooses how close to a key a query must be, such that no caption of a known label is close enough.

    Args:
        keys: Query embeddings of the wordings, (K, D).
        known: Captions of the known labels.
        ignored: Labels whose captions may get the learnt query.
    """
    others = known.nearest(keys)[[label not in ignored for label in known.labels]]
    lowest = max(LOWEST_GATE, float(others.max(initial=-1.0)))
    return Wordings(keys, lowest, lowest + FULL_SHARE * (1 - lowest))
