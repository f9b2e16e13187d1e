"""The captions that a run trains against, as sentence embeddings, and how labels relate to one another."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from training.data.captions import (
    LabelCaptions,
    captions_for_labels,
    label_relations,
    read_label_captions,
    template_captions,
)
from training.data.pack import Recording
from training.towers.text import SentenceEncoder

TITLE_SIMILARITY = 0.45
"""An uploader's title is a caption of its label from this cosine to the label's mean caption on."""
CURATED_RECORDINGS = 10
"""A label with this many recordings is a class that people told apart from others."""
RELATED_SIMILARITY = 0.55
"""A class of the teacher may be the label itself from this cosine between their mean captions on."""


@dataclass(frozen=True)
class CaptionBank:
    """Captions of several subjects, K in all, and their sentence embeddings (K, C); subject i owns [starts[i], starts[i+1])."""

    texts: tuple[str, ...]
    sentences: Tensor
    starts: Tensor

    @classmethod
    def encode(cls, captions: Sequence[Sequence[str]], encoder: SentenceEncoder) -> "CaptionBank":
        """Encodes every caption of every subject once."""
        starts = torch.tensor([0, *(len(c) for c in captions)]).cumsum(0)
        texts = [caption for own in captions for caption in own]
        return cls(tuple(texts), encoder.encode(texts), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each caption."""
        return {text: row for row, text in enumerate(self.texts)}

    def of_subjects(self) -> list[tuple[str, ...]]:
        """The captions of each subject."""
        return [self.texts[start:end] for start, end in itertools.pairwise(self.starts.tolist())]

    def means(self) -> Tensor:
        """The mean direction of each subject's captions: (subjects, C), unit norm."""
        owner = torch.repeat_interleave(torch.arange(len(self)), self.starts.diff())
        sums = torch.zeros(len(self), self.sentences.shape[1]).index_add_(0, owner, self.sentences)
        return F.normalize(sums, dim=-1)

    def sample(self, generator: Generator) -> Tensor:
        """A random caption of every subject: (subjects, C)."""
        draw = torch.rand(len(self), generator=generator)
        return self.sentences[self.starts[:-1] + (draw * self.starts.diff()).long()]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What is said of the labels (L of them) and of the teacher's classes (C, maybe none).

    `relation` (L, L) holds POSITIVE, NEGATIVE or UNKNOWN; `related` (L, C) is true where a class may be the label.
    """

    labels: tuple[str, ...]
    bank: CaptionBank
    relation: Tensor
    class_bank: CaptionBank | None
    related: Tensor

    def index(self) -> dict[str, int]:
        """Label to its number."""
        return {label: i for i, label in enumerate(self.labels)}


def build_vocabulary(
    recordings: Sequence[Recording],
    captions: Path | None,
    classes: Sequence[str],
    class_captions: Path | None,
    encoder: SentenceEncoder,
) -> Vocabulary:
    """The vocabulary of some recordings; labels and classes without written captions get plain ones."""
    labels = tuple(dict.fromkeys(recording.label for recording in recordings))
    entries = captions_for_labels(labels, read_label_captions(captions) if captions else {})
    bank = CaptionBank.encode(_with_titles(entries, recordings, encoder), encoder)
    counts = Counter(recording.label for recording in recordings)
    relation = torch.from_numpy(label_relations(entries, [counts[label] >= CURATED_RECORDINGS for label in labels]))
    if not classes:
        return Vocabulary(labels, bank, relation, None, torch.zeros(len(labels), 0, dtype=torch.bool))
    written = read_label_captions(class_captions) if class_captions else {}
    class_entries = captions_for_labels(classes, written)
    class_bank = CaptionBank.encode([(e.label.lower(), *e.captions) for e in class_entries], encoder)
    related = bank.means() @ class_bank.means().T > RELATED_SIMILARITY
    return Vocabulary(labels, bank, relation, class_bank, related)


def _with_titles(
    entries: Sequence[LabelCaptions], recordings: Iterable[Recording], encoder: SentenceEncoder
) -> list[tuple[str, ...]]:
    """Each label's captions, and the titles of its recordings that say the same."""
    means = CaptionBank.encode(
        [entry.captions or template_captions(entry.label).captions for entry in entries], encoder
    )
    titles: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        if recording.title and recording.split == "train":
            titles[recording.label].add(recording.title)
    owners = [(i, title) for i, entry in enumerate(entries) for title in sorted(titles[entry.label])]
    sentences = encoder.encode([title for _, title in owners])
    fits = (sentences * means.means()[[i for i, _ in owners]]).sum(dim=-1) > TITLE_SIMILARITY
    extended = [list(entry.captions) for entry in entries]
    for (i, title), fit in zip(owners, fits.tolist(), strict=True):
        if fit:
            extended[i].append(title)
    return [tuple(dict.fromkeys(own)) for own in extended]
