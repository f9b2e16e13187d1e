"""A split of a data set as it is evaluated: which of its recordings, asked for which labels, and tuned on what."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training import seeds
from training.data.check import probe_recordings
from training.data.datasets import ADAPTERS, read_dataset
from training.data.example import SPLITS, Example
from training.data.issues import DataIssue, DataIssues
from training.evaluation.evaluation_set import EvaluationSet, evaluation_set_from_examples, merge_recordings
from training.evaluation.localizers import Localizer
from training.evaluation.protocol import evaluate, evaluate_retrieval

logger = logging.getLogger(__name__)
COMMON_LABELS = "audioset-strong"
"""The data set whose labels are asked for only where `train` has them too, as others evaluate it (arXiv 2505.07609)."""


def measure_dataset(localizer: Localizer, name: str, folder: Path, split: str, most: int) -> dict[str, Any]:
    """The report on a split of a data set: of its events, and of its captions of whole recordings.

    Raises:
        ValueError: The split has no recording, none that can be read, or none with what is asked for.
        FileNotFoundError: A table is not there.
    """
    examples = merge_recordings(read_dataset(name, folder))
    drawn = draw(examples, split, most)
    if not drawn:
        has = ", ".join(s for s in SPLITS if draw(examples, s, most)) or "none"
        raise ValueError(f"{name} has no recording in split {split!r}; it has {has}")
    readable, unreadable = without_unreadable(drawn)
    if not readable:
        raise ValueError(f"{name}: none of the {len(drawn)} recordings of split {split!r} can be read: {unreadable[0]}")
    report: dict[str, Any] = {"unreadable": {split: len(unreadable)}}
    annotated = [example for example in readable if example.events]
    if annotated:
        labels = common_labels(folder, split) if name == COMMON_LABELS else None
        reported = evaluation_set_from_examples(
            f"{name}, {split}" + ("" if labels is None else ", labels of train"), annotated, labels
        )
        own = None
        if split != "val":
            others, unreadable = without_unreadable([e for e in draw(examples, "val", most) if e.events])
            report["unreadable"]["val"] = len(unreadable)
            own = tuning_set(f"{name}, val", others, reported)
        report["localization"] = evaluate(localizer, reported, own)
    captioned = [example for example in readable if example.captions]
    if captioned:
        report["retrieval"] = evaluate_retrieval(localizer, f"{name}, {split}", captioned)
    return report


def tuning_set(name: str, examples: Sequence[Example], reported: EvaluationSet) -> EvaluationSet | None:
    """Annotated recordings asked as those are that are reported: for the same labels, or for captions of their own."""
    if not examples:
        return None
    return evaluation_set_from_examples(name, examples, None if reported.pooled else reported.labels, reported.pooled)


def common_labels(folder: Path, split: str) -> list[str]:
    """The labels of AudioSet Strong that occur in `train` and in a split, as its tables say, whatever audio is there.

    Raises:
        ValueError: There is none, as where a table is not there.
    """
    heard: dict[str, set[str]] = {of: set() for of in SPLITS}
    for example in ADAPTERS[COMMON_LABELS](folder, DataIssues()):
        heard[example.split] |= {event.caption for event in example.events}
    if not heard["train"] & heard[split]:
        raise ValueError(
            f"{COMMON_LABELS}: no label of split {split!r} occurs in train; those of both are asked for, so the tables of "
            f"both must be in {folder} (the audio of train need not)"
        )
    return sorted(heard["train"] & heard[split])


def without_unreadable(examples: Sequence[Example]) -> tuple[list[Example], list[DataIssue]]:
    """The recordings that can be decoded to their ends, and what is wrong with the others."""
    lengths, problems = probe_recordings(sorted({example.path for example in examples}), whole=True)
    for problem in problems:
        logger.warning("left out: %s", problem)
    return [example for example in examples if example.path in lengths], problems


def draw(examples: Sequence[Example], split: str, most: int) -> list[Example]:
    """The recordings of a split, or so many of them, always the same, in their order."""
    own = [example for example in examples if example.split == split]
    chosen = np.random.default_rng(seeds.RECORDINGS).permutation(len(own))[:most]
    return [own[i] for i in np.sort(chosen)]
