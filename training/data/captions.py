"""The captions of labels, and the relations between labels: which other labels describe the same sound."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "captions"
POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1
"""Whether a recording of one label is an example of another label; see `label_relations`."""


@dataclass(frozen=True, slots=True)
class LabelCaptions:
    """The captions of one label.

    Attributes:
        label: the label.
        captions: texts that describe the label's sound.
        also: other labels that certainly apply to every recording of this label: synonyms and more general labels.
        unsure: other labels that may apply to recordings of this label. Training treats the pair as unknown: neither a
            positive nor a negative.
    """

    label: str
    captions: tuple[str, ...]
    also: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


def read_label_captions(file: Path) -> dict[str, LabelCaptions]:
    """Reads captions by label from a JSON Lines file with the keys `label`, `captions` and optionally `also`, `unsure`."""
    with file.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return {
        e["label"]: LabelCaptions(
            e["label"], tuple(e["captions"]), tuple(e.get("also", ())), tuple(e.get("unsure", ()))
        )
        for e in entries
    }


def template_captions(label: str) -> LabelCaptions:
    """Makes captions from templates, for a label that has no written captions."""
    return LabelCaptions(label, (label, f"the sound of {label}", f"{label} can be heard"))


def captions_for_labels(labels: Sequence[str], written: Mapping[str, LabelCaptions]) -> list[LabelCaptions]:
    """Returns one entry per label, in the order of `labels`: the written captions, or else those from templates."""
    return [written.get(label) or template_captions(label) for label in labels]


def label_relations(entries: Sequence[LabelCaptions], curated: Sequence[bool]) -> NDArray[np.int8]:
    """Computes whether a recording of label i is a positive, a negative or an unknown example of label j.

    - `also` is transitive and gives POSITIVE: a puppy's bark is a dog's bark, which is a sound of a dog.
    - The opposite direction gives UNKNOWN: a recording of a dog may contain a puppy.
    - `unsure` gives UNKNOWN in both directions.
    - Between two curated labels, UNKNOWN becomes NEGATIVE and POSITIVE becomes UNKNOWN. Annotators of a large, carefully
      sorted collection distinguished these labels from one another, so a doubtful pair is a true negative, and a model
      must learn to separate these similar pairs.

    Args:
        entries: the L labels.
        curated: whether each label counts as a label of a large, carefully sorted collection.

    Returns:
        POSITIVE, NEGATIVE or UNKNOWN for each pair (i, j): (L, L) int8.
    """
    index = {entry.label: i for i, entry in enumerate(entries)}
    table = np.full((len(entries), len(entries)), NEGATIVE, dtype=np.int8)
    for i, entry in enumerate(entries):
        for name in entry.unsure:
            if name in index:
                table[i, index[name]] = table[index[name], i] = UNKNOWN
    implied = _transitive_closure(entries, index)
    table[implied.T & ~implied] = UNKNOWN
    table[implied] = POSITIVE
    distinguished = np.outer(curated, curated) & ~np.eye(len(entries), dtype=bool)
    table[distinguished & ~implied] = NEGATIVE
    table[distinguished & implied] = UNKNOWN
    return table


def _transitive_closure(entries: Sequence[LabelCaptions], index: Mapping[str, int]) -> NDArray[np.bool_]:
    """Whether label i implies label j through one or more steps of `also`: (L, L), true on the diagonal."""
    implied = np.eye(len(entries), dtype=bool)
    for i, entry in enumerate(entries):
        implied[i, [index[name] for name in entry.also if name in index]] = True
    while True:
        longer_chains = (implied.astype(np.float32) @ implied.astype(np.float32)) > 0
        if (longer_chains == implied).all():
            return implied
        implied = longer_chains
