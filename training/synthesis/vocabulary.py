"""The captions of labels and of the teacher's classes as sentence embeddings, and the relations between labels and classes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training.data.captions import (
    LabelCaptions,
    captions_for_labels,
    label_relations,
    read_label_captions,
    template_captions,
)
from training.data.pack import Recording
from training.synthesis.absent import AbsentCaptions
from training.synthesis.caption_bank import CaptionBank
from training.towers.text import SentenceEncoder

TITLE_SIMILARITY = 0.45
"""A recording's title is used as a caption of its label if its cosine with the label's mean caption is above this value."""
CURATED_RECORDINGS = 10
"""A label with at least this many recordings counts as curated: its collection is assumed to be carefully sorted."""
RELATED_SIMILARITY = 0.55
"""A class of the teacher may be the same as a label if the cosine of their mean captions is above this value."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The captions of L labels and of the teacher's C classes, and how they relate.

    Attributes:
        labels: the labels.
        bank: the captions of the labels.
        relation: whether the captions of label j are true of a recording of label i: POSITIVE, NEGATIVE or UNKNOWN, (L, L).
        class_bank: the captions of the teacher's classes, or None without classes.
        related: whether class j may be the same as label i, (L, C).
        absent: captions that are trained as absent, or None without any.
    """

    labels: tuple[str, ...]
    bank: CaptionBank
    relation: Tensor
    class_bank: CaptionBank | None
    related: Tensor
    absent: AbsentCaptions | None = None

    def index(self) -> dict[str, int]:
        """Index of each label."""
        return {label: i for i, label in enumerate(self.labels)}


def build_vocabulary(
    recordings: Sequence[Recording],
    captions: Mapping[str, LabelCaptions],
    classes: Sequence[str],
    class_captions: Path | None,
    encoder: SentenceEncoder,
) -> Vocabulary:
    """Builds the vocabulary of recordings.

    Args:
        recordings: the recordings, whose labels and titles are used.
        captions: the written captions of labels; a label without an entry gets captions from a template.
        classes: the names of the teacher's classes, which are captions too; may be empty.
        class_captions: JSON Lines file with the captions of classes.
        encoder: embeds the captions.
    """
    labels = tuple(dict.fromkeys(recording.label for recording in recordings))
    entries = captions_for_labels(labels, captions)
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
    """The captions of each label, extended by the titles of its training recordings that are similar to these captions."""
    means = CaptionBank.encode(
        [entry.captions or template_captions(entry.label).captions for entry in entries], encoder
    )
    titles: dict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        if recording.title and recording.split == "train":
            titles[recording.label].add(recording.title)
    candidates = [(i, title) for i, entry in enumerate(entries) for title in sorted(titles[entry.label])]
    sentences = encoder.encode([title for _, title in candidates])
    fits = (sentences * means.means()[[i for i, _ in candidates]]).sum(dim=-1) > TITLE_SIMILARITY
    extended = [list(entry.captions) for entry in entries]
    for (i, title), fit in zip(candidates, fits.tolist(), strict=True):
        if fit:
            extended[i].append(title)
    return [tuple(dict.fromkeys(texts)) for texts in extended]
