"""Captions of sounds that are not in a scene: real captions of other recordings, and captions that differ in one word.

In training a model meets one caption of each label. Users search for much else, most of which is not heard. Absent captions teach
the scores to stay low for such queries, too, unless the caption may be true of a sound in the scene.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from training import seeds
from training.data.captions import NEGATIVE, LabelCaptions
from training.data.config import AbsentConfig
from training.data.one_word import one_word_off
from training.data.phrases import read_texts
from training.data.stems import key_stems, stems
from training.synthesis.caption_bank import CaptionBank
from training.towers.text import SentenceEncoder

SIMILAR = 0.5
"""A caption may be true of a label if its cosine with one of the label's captions is above this value."""
CHUNK = 512


@dataclass(frozen=True, slots=True)
class AbsentDraw:
    """K absent captions of a training step.

    Attributes:
        sentences: their sentence embeddings, (K, C).
        may_be: whether caption k may be true of a recording of label l, (K, L).
    """

    sentences: Tensor
    may_be: Tensor


@dataclass(frozen=True, slots=True)
class AbsentCaptions:
    """All absent captions of a run: several kinds, of which each step draws equally many.

    Attributes:
        kinds: the captions of each kind.
        per_step: number of captions of each kind in a step.
    """

    kinds: tuple[AbsentDraw, ...]
    per_step: int

    def sample(self, generator: Generator) -> AbsentDraw:
        """The absent captions of a step."""
        drawn = [(k, torch.randint(len(k.sentences), (self.per_step,), generator=generator)) for k in self.kinds]
        return AbsentDraw(
            torch.cat([kind.sentences[rows] for kind, rows in drawn]),
            torch.cat([kind.may_be[rows] for kind, rows in drawn]),
        )


def build_absent(
    config: AbsentConfig,
    bank: CaptionBank,
    relation: Tensor,
    entries: Sequence[LabelCaptions],
    encoder: SentenceEncoder,
) -> AbsentCaptions | None:
    """The absent captions of a run, or None if it has none.

    Args:
        config: which captions are trained as absent.
        bank: the captions of the labels.
        relation: POSITIVE, NEGATIVE or UNKNOWN for pairs of labels, (L, L).
        entries: the labels' captions, in the order of the bank.
        encoder: embeds the captions.
    """
    kinds: list[AbsentDraw] = []
    if config.per_step and config.captions:
        texts = list(dict.fromkeys(read_texts(config.captions)))
        rng = np.random.default_rng(seeds.ABSENT_CAPTIONS)
        chosen = [texts[i] for i in sorted(rng.permutation(len(texts))[: config.count])]
        sentences = encoder.encode(chosen)
        kinds.append(AbsentDraw(sentences, may_be_true(chosen, sentences, bank, relation, entries)))
    replaced = one_word_off(entries) if config.per_step and config.one_word else []
    if replaced:
        texts = [item.text for item in replaced]
        sentences = encoder.encode(texts)
        may_be = may_be_true(texts, sentences, bank, relation, entries)
        labels = torch.tensor([item.label for item in replaced])
        may_be[torch.arange(len(replaced)), labels] = False
        kinds.append(AbsentDraw(sentences, may_be))
    return AbsentCaptions(tuple(kinds), config.per_step) if kinds else None


def may_be_true(
    texts: Sequence[str], sentences: Tensor, bank: CaptionBank, relation: Tensor, entries: Sequence[LabelCaptions]
) -> Tensor:
    """Whether captions may be true of recordings of labels.

    A caption may be true of a label if it is similar to one of the label's captions or contains a word that names the label,
    or if this holds for another label that may apply to the label's recordings.

    Args:
        texts: K captions.
        sentences: their sentence embeddings, (K, C).
        bank: the captions of L labels.
        relation: POSITIVE, NEGATIVE or UNKNOWN for a recording's label (row) and another label (column), (L, L).
        entries: the labels' captions, in the order of the bank.

    Returns:
        (K, L) bool.
    """
    subject = torch.repeat_interleave(torch.arange(len(bank)), bank.starts.diff())
    similar = torch.zeros(len(texts), len(bank), dtype=torch.bool)
    for start in range(0, len(texts), CHUNK):
        cosines = sentences[start : start + CHUNK] @ bank.sentences.T
        highest = torch.full((len(cosines), len(bank)), -1.0)
        highest.scatter_reduce_(1, subject.expand(len(cosines), -1), cosines, "amax")
        similar[start : start + CHUNK] = highest > SIMILAR
    labels_of: dict[str, list[int]] = defaultdict(list)
    for label, entry in enumerate(entries):
        for word in key_stems((entry.label, *entry.captions)):
            labels_of[word].append(label)
    for row, text in enumerate(texts):
        similar[row, [label for word in stems(text) for label in labels_of.get(word, ())]] = True
    return similar.float() @ (relation != NEGATIVE).float().T > 0
