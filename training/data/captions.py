"""What is said of a label: its captions, and which other labels are true, or may be true, of the same sound."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "captions"
POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1


@dataclass(frozen=True, slots=True)
class LabelCaptions:
    """Captions of one label.

    `also` names labels that are certainly true of its recordings too (synonyms and more general ones); `unsure`
    names those that may be: a model must learn neither yes nor no from them.
    """

    label: str
    captions: tuple[str, ...]
    also: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


def read_label_captions(file: Path) -> dict[str, LabelCaptions]:
    """Captions by label, from a JSON Lines file with `label`, `captions` and optionally `also` and `unsure`."""
    with file.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return {
        e["label"]: LabelCaptions(
            e["label"], tuple(e["captions"]), tuple(e.get("also", ())), tuple(e.get("unsure", ()))
        )
        for e in entries
    }


def template_captions(label: str) -> LabelCaptions:
    """Captions of a label nobody has written any for."""
    return LabelCaptions(label, (label, f"the sound of {label}", f"{label} can be heard"))


def captions_for_labels(labels: Sequence[str], written: Mapping[str, LabelCaptions]) -> list[LabelCaptions]:
    """One entry a label, in the order of `labels`."""
    return [written.get(label) or template_captions(label) for label in labels]


def label_relations(entries: Sequence[LabelCaptions], curated: Sequence[bool]) -> NDArray[np.int8]:
    """What a recording of label i says about label j: POSITIVE, NEGATIVE or UNKNOWN; (L, L).

    `also` is followed through (a puppy's bark is a dog's bark is a dog). A narrower label than the recording's is
    UNKNOWN: a dog's recording may well hold a puppy. `curated` marks the classes of well-filled collections: people
    told these apart from one another, so between them doubt is a negative (the very pairs a model must learn to tell
    apart), and a general term only unknown.
    """
    index = {entry.label: i for i, entry in enumerate(entries)}
    table = np.full((len(entries), len(entries)), NEGATIVE, dtype=np.int8)
    for i, entry in enumerate(entries):
        for name in entry.unsure:
            if name in index:
                table[i, index[name]] = table[index[name], i] = UNKNOWN
    certain = _closure(entries, index)
    table[certain.T & ~certain] = UNKNOWN
    table[certain] = POSITIVE
    told_apart = np.outer(curated, curated) & ~np.eye(len(entries), dtype=bool)
    table[told_apart & ~certain] = NEGATIVE
    table[told_apart & certain] = UNKNOWN
    return table


def _closure(entries: Sequence[LabelCaptions], index: Mapping[str, int]) -> NDArray[np.bool_]:
    reach = np.eye(len(entries), dtype=bool)
    for i, entry in enumerate(entries):
        reach[i, [index[name] for name in entry.also if name in index]] = True
    while True:
        further = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
        if (further == reach).all():
            return reach
        reach = further
