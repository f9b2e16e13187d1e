"""The captions of several subjects, such as labels or classes, with their sentence embeddings."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from training.towers.text import SentenceEncoder


@dataclass(frozen=True)
class CaptionBank:
    """The captions of several subjects (labels or classes) and their sentence embeddings.

    Attributes:
        texts: the captions of all subjects, end to end, K of them.
        sentences: sentence embedding of each caption, (K, C).
        starts: the captions of subject i are [starts[i], starts[i + 1]), (subjects + 1,).
    """

    texts: tuple[str, ...]
    sentences: Tensor
    starts: Tensor

    @classmethod
    def encode(cls, captions: Sequence[Sequence[str]], encoder: SentenceEncoder) -> "CaptionBank":
        """Encodes every caption of every subject once."""
        starts = torch.tensor([0, *(len(subject) for subject in captions)]).cumsum(0)
        texts = [text for subject in captions for text in subject]
        return cls(tuple(texts), encoder.encode(texts), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each caption in `sentences`."""
        return {text: row for row, text in enumerate(self.texts)}

    def of_subjects(self) -> list[tuple[str, ...]]:
        """The captions of each subject."""
        return [self.texts[start:end] for start, end in itertools.pairwise(self.starts.tolist())]

    def means(self) -> Tensor:
        """The mean caption of each subject, of unit norm: (subjects, C)."""
        subject = torch.repeat_interleave(torch.arange(len(self)), self.starts.diff())
        sums = torch.zeros(len(self), self.sentences.shape[1]).index_add_(0, subject, self.sentences)
        return F.normalize(sums, dim=-1)

    def sample(self, generator: Generator) -> Tensor:
        """The sentence embedding of a random caption of every subject: (subjects, C)."""
        draw = torch.rand(len(self), generator=generator)
        return self.sentences[self.starts[:-1] + (draw * self.starts.diff()).long()]
