"""Real ambiences: recordings of backgrounds, chained to any length, and the labels that they may contain."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.data.captions import FOLDER, NEGATIVE, captions_for_labels, label_relations, read_label_captions
from training.data.pack import AudioStore, Recording
from training.synthesis.noise import coloured_noise

LABELS = (
    "chirping birds", "crackling fire", "crickets", "dishwasher", "fridge", "grocery store", "rain", "sea waves",
    "stove fan", "train", "washing machine", "wind",
)  # fmt: skip
"""Labels whose recordings serve as ambiences: steady sounds of places, most of them without a source in front."""
CROSSFADE_S = 0.5
"""Overlap of two recordings of a chain, in seconds."""
LABEL_CAPTIONS = FOLDER / "labels.jsonl"


@dataclass(frozen=True, slots=True)
class Ambiences:
    """The recordings of ambiences in a store, by label.

    Attributes:
        store: The decoded recordings.
        by_label: Indices of the recordings of each label, without the labels that have no recording.
    """

    store: AudioStore
    by_label: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, recordings: Sequence[Recording], store: AudioStore) -> "Ambiences":
        """The ambiences among the recordings of a store, which have the same order."""
        indices = [(label, tuple(i for i, r in enumerate(recordings) if r.label == label)) for label in LABELS]
        return cls(store, tuple((label, found) for label, found in indices if found))

    def label(self, number: int) -> str | None:
        """The label of ambience `number`: all labels in turn; None if there is no ambience."""
        return self.by_label[number % len(self.by_label)][0] if self.by_label else None

    def draw(self, rng: Generator, label: str | None, n_samples: int) -> NDArray[np.float32]:
        """A background of unit power, (n_samples,): recordings of a label, each of unit power, in random order.

        Neighbouring recordings are crossfaded at constant power. Without a label, the background is coloured noise.
        """
        if label is None:
            return coloured_noise(rng, n_samples, float(rng.uniform(0, 2)))
        indices = dict(self.by_label)[label]
        fade = round(CROSSFADE_S * self.store.sample_rate_hz)
        background, end = np.zeros(n_samples + fade, np.float32), fade
        while end < len(background):
            for index in rng.permutation(np.asarray(indices)):
                piece = _unit_power(self.store[int(index)], fade)
                start = end - fade
                piece = piece[: len(background) - start]
                background[start : start + len(piece)] += piece
                end = start + len(piece)
                if end >= len(background):
                    break
        background = background[fade:]
        return background / np.float32(np.sqrt(np.mean(background.astype(np.float64) ** 2) + 1e-12))


def _unit_power(samples: NDArray[np.float32], fade: int) -> NDArray[np.float32]:
    """A recording of unit power whose ends are faded, repeated until it is at least four times as long as a fade."""
    repeated = np.tile(samples, max(1, -(-4 * fade // max(1, len(samples)))))
    scaled = repeated / np.float32(np.sqrt(np.mean(repeated.astype(np.float64) ** 2) + 1e-12))
    ramp = np.sin(np.linspace(0, np.pi / 2, fade, endpoint=False, dtype=np.float32))
    scaled[:fade] *= ramp
    scaled[-fade:] *= ramp[::-1]
    return scaled


def unrelated_labels(labels: Sequence[str], to: str | None) -> frozenset[str]:
    """The labels that certainly do not describe the sounds of another label; all labels if the other label is None.

    A label whose captions say that it may describe the same sound (`also` and `unsure` in `labels.jsonl`) is left out.
    """
    return frozenset(labels) if to is None else _unrelated(tuple(labels), to)


@cache  # the relations of all labels take a third of a second
def _unrelated(labels: tuple[str, ...], to: str) -> frozenset[str]:
    names = [to, *labels]
    entries = captions_for_labels(names, read_label_captions(LABEL_CAPTIONS))
    relations = label_relations(entries, [False] * len(entries))
    return frozenset(
        label
        for i, label in enumerate(names)
        if label != to and relations[0, i] == NEGATIVE and relations[i, 0] == NEGATIVE
    )
